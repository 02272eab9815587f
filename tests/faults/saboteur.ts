import { readFileSync } from 'node:fs';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

/**
 * Loaded into a server by `NODE_OPTIONS=--import`, so that the product needs no switch for its tests: when the process
 * gets SIGUSR2, every shard thread does what the file of `SABOTAGE_FILE` says.
 */
export type Sabotage = 'heap bomb' | 'infinite loop' | 'uncaught error' | 'unhandled rejection';

const channel = new BroadcastChannel('sabotage');
channel.unref();

const deeds: Record<Sabotage, () => void> = {
  'heap bomb': () => {
    const hoard: unknown[] = [];
    for (;;) hoard.push(new Array(100_000).fill({}));
  },
  'infinite loop': () => {
    for (;;);
  },
  'uncaught error': () => {
    throw new Error('sabotage');
  },
  'unhandled rejection': () => {
    void Promise.reject(new Error('sabotage'));
  },
};

if (isMainThread) {
  process.on('SIGUSR2', () => channel.postMessage(readFileSync(process.env.SABOTAGE_FILE ?? '', 'utf8')));
} else {
  channel.onmessage = (event) => {
    const { data } = event as { data: Sabotage };
    // In a turn of its own: an error thrown in here would be the channel's.
    setImmediate(() => deeds[data]());
  };
}

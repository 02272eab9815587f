import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultSystem, usageOf } from './fault-system.js';
import { PlainLoad } from './plain-load.js';
import type { Scenario } from './scenario.js';
import { percentile } from './watched-client.js';

const clients = 4;
const byteEveryMs = 500;
const connectAtOnce = 200;
const graceMs = 1000;

/** Connections that send a byte now and then, half of them in the head and half in the body, and never end. */
export const slowSenders: Scenario = {
  id: 'S36',
  what: 'slow heads and slow bodies, beside clients that work',
  needs: [],
  async run(trial) {
    const each = trial.pick(2000, 200);
    const timeoutMs = trial.pick(6000, 2000);
    const system = await trial.system({ env: { IWD_REQUEST_TIMEOUT: `PT${timeoutMs / 1000}S` } });
    const pid = await system.serverPid();
    const http = trial.client(system, clients);
    const load = trial.start(new PlainLoad(http, 'cycle'), clients);
    await sleep(1500);
    const calmFrom = performance.now();
    await sleep(trial.pick(5000, 1500));
    const calm = http.between(calmFrom, performance.now());
    const filesBefore = usageOf(pid).openFiles;
    const from = performance.now();
    const slow = await open(system, each);
    const filesMost = usageOf(pid).openFiles;
    while (slow.some(({ closedAt }) => closedAt === 0) && performance.now() - from < timeoutMs + 20_000)
      await sleep(50);
    const during = http.between(from, performance.now());
    await load.stop();
    await sleep(graceMs);
    const lives = slow.map(({ begunAt, closedAt }) => (closedAt === 0 ? Number.POSITIVE_INFINITY : closedAt - begunAt));
    trial.atMost('p99 of the others as a multiple of calm', 2, percentile(during, 0.99) / percentile(calm, 0.99), ' x');
    trial.atMost('longest life of a slow one', timeoutMs + 1000, Math.max(...lives), ' ms');
    trial.atMost('open files afterwards, beyond those before', 2, usageOf(pid).openFiles - filesBefore);
    trial.exactly('others: answers 5xx or none', 0, http.failed, http.failures);
    trial.note(
      `${each} of each kind, IWD_REQUEST_TIMEOUT ${timeoutMs} ms, ${filesMost} open files at most; own sockets instead of slowhttptest`,
    );
    for (const { socket } of slow) socket.destroy();
    await system.server.stop();
  },
};

interface SlowSender {
  socket: Socket;
  begunAt: number;
  closedAt: number;
}

async function open(system: FaultSystem, each: number): Promise<SlowSender[]> {
  const start = `POST /iwd/v3/workitems HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${system.apiKey}\r\n`;
  const body = `${start}content-type: application/json\r\ncontent-length: 5000\r\n\r\n{"a`;
  const senders: SlowSender[] = [];
  for (let i = 0; i < 2 * each; i += connectAtOnce) {
    for (let j = i; j < Math.min(i + connectAtOnce, 2 * each); j++)
      senders.push(begin(system, j % 2 === 0 ? start : body));
    await sleep(20);
  }
  const tick = setInterval(() => {
    for (const { socket, closedAt } of senders) if (closedAt === 0 && socket.writable) socket.write('x');
    if (senders.every(({ closedAt }) => closedAt !== 0)) clearInterval(tick);
  }, byteEveryMs);
  tick.unref();
  return senders;
}

function begin(system: FaultSystem, first: string): SlowSender {
  const sender: SlowSender = { socket: connect(system.port, '127.0.0.1'), begunAt: performance.now(), closedAt: 0 };
  sender.socket.on('connect', () => {
    sender.begunAt = performance.now();
    sender.socket.write(first);
  });
  // The end that the server sends counts: who goes on writing then gets a reset.
  const closed = () => {
    if (sender.closedAt === 0) sender.closedAt = performance.now();
    sender.socket.destroy();
  };
  sender.socket.on('data', () => {});
  sender.socket.on('end', closed);
  sender.socket.on('close', closed);
  sender.socket.on('error', closed);
  return sender;
}

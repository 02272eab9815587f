import { randomBytes } from 'node:crypto';
import type { Runtime } from './ports.js';

/** The process's own time, timers and randomness: the only place in `engine/` and `actors/` that touches them. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, fire) {
    const handle = setTimeout(fire, ms);
    handle.unref();
    return () => clearTimeout(handle);
  },
  soon(fire) {
    setImmediate(fire);
  },
  randomBytes: (count) => randomBytes(count),
};

/** Resolves after `ms`. */
export function pause(runtime: Runtime, ms: number): Promise<void> {
  return new Promise((resolve) => {
    runtime.timer(ms, resolve);
  });
}

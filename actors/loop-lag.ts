import { Histogram, type Registry } from 'prom-client';
import type { Runtime } from './ports.js';

const everyMs = 20;
/** Of one pause; a longer one would say no more. */
const observationsMax = 1000;

/**
 * How late this thread's event loop is, as a histogram that Prometheus can rate, sum and take quantiles of. A timer is
 * due every 20 ms. A pause holds back all the turns that were due in it, and each is counted with what was left of the
 * pause for it: what arrives at any moment waits as the histogram says, however rare and long the pauses are.
 */
export function observeLag(registry: Registry, runtime: Runtime, thread: 'main' | 'shard'): void {
  const histogram = new Histogram({
    name: 'iwd_eventloop_lag_seconds',
    help: 'How long what arrives at a thread waits for its event loop',
    labelNames: ['thread'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [registry],
  });
  histogram.zero({ thread });
  const observe = (seconds: number) => histogram.observe({ thread }, seconds);
  const wait = () => {
    const dueAt = runtime.monotonic() + everyMs;
    runtime.timer(everyMs, () => {
      let lateMs = Math.max(0, runtime.monotonic() - dueAt);
      observe(lateMs / 1000);
      for (let count = 1; lateMs > everyMs && count < observationsMax; count++) {
        lateMs -= everyMs;
        observe(lateMs / 1000);
      }
      wait();
    });
  };
  wait();
}

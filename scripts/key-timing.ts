import { randomBytes, randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { keyIdentity } from '../api/caller.js';
import { KeyRing } from '../api/key-ring.js';

/**
 * Whether the time that refusing a key takes tells anything of the keys that there are: many refusals of random keys
 * beside as many of keys that share all but the last four characters with a real one, in random order, and Welch's t of the
 * two (as "dudect" does it). A comparison that stops at the first difference shows |t| in the hundreds. No part of
 * `npm test`, for a busy machine makes any statistic unsure.
 */

export const tMax = 4.5;

interface Sums {
  count: number;
  mean: number;
  squares: number;
}

type Find = (key: string) => unknown;

/** The server's own way to look a key up, in a ring that holds the real one. */
function ringWith(real: string): Find {
  const ring = new KeyRing();
  ring.addFixed(real, keyIdentity({ tenantId: 't', name: 'n' }));
  return (key) => ring.findByKey(key);
}

/**
 * @param samples of each of the two kinds.
 * @param finderOf another way to look up, for the test that this statistic sees a bad one.
 * @returns Welch's t after the slowest tenth of all is left out.
 */
export function keyTiming(samples: number, finderOf: (real: string) => Find = ringWith): number {
  const real = `iwd_${randomBytes(24).toString('base64url')}`;
  const find = finderOf(real);
  const makers = [
    () => `iwd_${randomBytes(24).toString('base64url')}`,
    () => `${real.slice(0, -4)}${randomBytes(3).toString('base64url')}`,
  ];
  const times = measure(find, makers, samples);
  // Interruptions by the machine make a long tail, which would only blur the difference that is looked for.
  const cut = times.map(({ ns }) => ns).sort((a, b) => a - b)[Math.floor(times.length * 0.9)]!;
  const sums = [0, 1].map((kind) => summed(times.filter((one) => one.kind === kind && one.ns <= cut)));
  return welch(sums[0]!, sums[1]!);
}

function measure(find: Find, makers: (() => string)[], samples: number): { kind: number; ns: number }[] {
  // All keys are made, and made in the same way, before the first is timed: what making one leaves in the caches of the
  // processor shows in the time of the look-up after it.
  const keys = Array.from({ length: samples * 2 }, () => {
    const kind = randomInt(2);
    return { kind, key: Buffer.from(makers[kind]!()).toString('latin1') };
  });
  return keys.map(({ kind, key }) => {
    const start = process.hrtime.bigint();
    const found = find(key);
    const ns = Number(process.hrtime.bigint() - start);
    if (found) throw new Error('a wrong key was taken');
    return { kind, ns };
  });
}

function summed(times: { ns: number }[]): Sums {
  const mean = times.reduce((sum, { ns }) => sum + ns, 0) / times.length;
  return { count: times.length, mean, squares: times.reduce((sum, { ns }) => sum + (ns - mean) ** 2, 0) };
}

function welch(a: Sums, b: Sums): number {
  const error = [a, b].map(({ count, squares }) => squares / (count - 1) / count);
  return (a.mean - b.mean) / Math.sqrt(error[0]! + error[1]!);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  keyTiming(20_000);
  const t = keyTiming(100_000);
  console.log(`refusing 100,000 random and 100,000 nearly right keys: t = ${t.toFixed(2)} (must be within ±${tMax})`);
  process.exitCode = Math.abs(t) < tMax ? 0 : 1;
}

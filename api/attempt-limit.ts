/** Milliseconds and counts of one limit. */
export interface AttemptLimits {
  /** Failures that cost nothing yet. */
  free: number;
  /** Wait after the first one that does; each further failure doubles it. */
  firstWaitMs: number;
  waitMsMax: number;
  /** Without a failure for this long, all is forgotten. */
  forgetMs: number;
  /** Names remembered; the one that failed longest ago gives way. */
  namesMax: number;
}

interface Failures {
  count: number;
  at: number;
  until: number;
}

/**
 * Slows guessing down: after some free failures a name (an account, an address) must wait, twice as long with each
 * further failure. An attempt counts as failed from its start, so that a thousand at once are a thousand failures;
 * one that waits is refused before anything is checked and does not lengthen the wait.
 */
export class AttemptLimit {
  /** In the order of the last failure, the oldest first. */
  readonly #failures = new Map<string, Failures>();
  readonly #limits: AttemptLimits;

  constructor(limits: AttemptLimits) {
    this.#limits = limits;
  }

  /** Milliseconds until the name may try again; 0: now. */
  wait(name: string, now: number): number {
    const failures = this.#failures.get(name);
    // A clock that was set back must not make a wait longer than any.
    return failures ? Math.min(this.#limits.waitMsMax, Math.max(0, failures.until - now)) : 0;
  }

  fail(name: string, now: number): void {
    const { free, firstWaitMs, waitMsMax, forgetMs, namesMax } = this.#limits;
    const before = this.#failures.get(name);
    const count = before && now - before.at < forgetMs ? before.count + 1 : 1;
    // The exponent is held small: 2 ** 1024 would be no number.
    const wait = count <= free ? 0 : Math.min(waitMsMax, firstWaitMs * 2 ** Math.min(30, count - free - 1));
    this.#failures.delete(name);
    this.#failures.set(name, { count, at: now, until: wait === 0 ? 0 : now + wait });
    if (this.#failures.size > namesMax) this.#failures.delete(this.#failures.keys().next().value!);
  }

  /** The attempt that was counted did not fail after all. */
  forgive(name: string): void {
    const failures = this.#failures.get(name);
    if (!failures) return;
    if (failures.count <= 1) this.#failures.delete(name);
    else Object.assign(failures, { count: failures.count - 1, until: 0 });
  }

  forget(name: string): void {
    this.#failures.delete(name);
  }

  get size(): number {
    return this.#failures.size;
  }
}

/** One limit name a network that one person can have: an IPv6 host is given 2^64 addresses. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const full =
    tail === undefined
      ? groups
      : [...groups, ...Array(Math.max(0, 8 - groups.length - rest.length)).fill('0'), ...rest];
  return `${full
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

import type { PeopleStore, Person } from '../actors/ports/people.js';
import { AttemptLimit, networkOf } from './attempt-limit.js';
import type { Passwords } from './password.js';
import type { Problem } from './problem.js';

/** Somebody who mistypes is not held up; somebody who tries words gets one guess a minute. */
const accountLimits = { free: 4, firstWaitMs: 1000, waitMsMax: 60_000, forgetMs: 3_600_000, namesMax: 10_000 };
/** An office may share one address. */
const addressLimits = { free: 20, firstWaitMs: 1000, waitMsMax: 900_000, forgetMs: 3_600_000, namesMax: 10_000 };

export interface Given {
  /** What the person calls the tenant. */
  tenant: string;
  name: string;
  password: string;
}

/**
 * Sign-in with name and password. A refusal says the same, and takes the same work, whether the tenant, the name or the
 * password was wrong. Counts live in this process: with n servers somebody has n times the guesses.
 */
export class PasswordSignIn {
  readonly #store: PeopleStore;
  readonly #passwords: Passwords;
  readonly #now: () => number;
  readonly #onLockedOut: () => void;
  readonly #accounts = new AttemptLimit(accountLimits);
  readonly #addresses = new AttemptLimit(addressLimits);

  constructor(
    store: PeopleStore,
    passwords: Passwords,
    now: () => number = Date.now,
    onLockedOut: () => void = () => {},
  ) {
    this.#store = store;
    this.#passwords = passwords;
    this.#now = now;
    this.#onLockedOut = onLockedOut;
  }

  async check(given: Given, from: string): Promise<Person | Problem> {
    const address = networkOf(from);
    const tenantId = await this.#store.tenant(given.tenant);
    return this.#limited(`${tenantId}\n${given.name.toLowerCase()}`, address, async () => {
      const found = await this.#store.passwordOf(tenantId ?? '', given.name);
      const right = await this.#passwords.isRight(given.password, found?.password ?? undefined);
      return right && found && !found.person.disabled ? found.person : wrong;
    });
  }

  /** The own password again, before it is changed: a session that was left open must not be enough for guessing it. */
  async confirm(person: Person, password: string, from: string): Promise<Person | Problem> {
    return this.check({ tenant: person.tenantId, name: person.name, password }, from);
  }

  async #limited(
    account: string,
    address: string,
    attempt: () => Promise<Person | Problem>,
  ): Promise<Person | Problem> {
    const now = this.#now();
    const waitMs = Math.max(this.#accounts.wait(account, now), this.#addresses.wait(address, now));
    if (waitMs > 0) {
      this.#onLockedOut();
      return tooManyAttempts(waitMs);
    }
    this.#accounts.fail(account, now);
    this.#addresses.fail(address, now);
    let outcome: Person | Problem;
    try {
      outcome = await attempt();
    } catch (error) {
      // Nothing was found out about the password.
      this.#accounts.forgive(account);
      this.#addresses.forgive(address);
      throw error;
    }
    if ('id' in outcome) {
      this.#accounts.forget(account);
      this.#addresses.forgive(address);
    }
    return outcome;
  }
}

const wrong: Problem = { code: 'unauthorized', detail: 'Tenant, name or password is wrong.' };

function tooManyAttempts(waitMs: number): Problem {
  return {
    code: 'too-many-requests',
    detail: 'Too many attempts that failed; wait before the next one.',
    retryAfterSeconds: waitMs / 1000,
  };
}

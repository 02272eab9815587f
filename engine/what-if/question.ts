import { isObject } from '../draft.js';
import { parseDuration } from '../duration.js';
import { parseInstant } from '../instant.js';
import {
  whatIfAheadMsMax,
  whatIfJournalHoursMax,
  whatIfRatePerHourMax,
  whatIfTopDefault,
  whatIfTopMax,
  whatIfWindowMsDefault,
} from '../limits.js';
import { nearest } from '../nearest.js';
import type { Fault, RejectionCode } from '../rejection.js';
import { bundleKinds } from '../settings-check.js';
import type { Instant } from '../work-item.js';

/** What `POST /what-if` asks, without the draft itself: that is checked against the settings in force, by whoever has them. */
export interface Question {
  /** The instant of both orders; absent: that of the copy. */
  at?: Instant;
  /** How far ahead misses of the SLA are looked for. */
  windowMs: number;
  /** Entries of each list in the answer. */
  top: number;
  /** Items done in an hour; absent: what the tenant's last day says. */
  ratePerHour?: number;
  /** Whether the waiting items are classified anew, as `restart` would do; publishing alone leaves their categories. */
  reclassify: boolean;
  /** Replays so many hours of the journal instead of looking ahead. */
  journalHours?: number;
}

const asked = ['at', 'window', 'top', 'ratePerHour', 'reclassify', 'journalHours'] as const;
const fields: readonly string[] = [...bundleKinds, ...asked];
const aheadDays = whatIfAheadMsMax / 86_400_000;

/** Checks everything of the body but the draft's parts. */
export function checkQuestion(body: unknown, now: Instant): { question: Question } | { faults: Fault[] } {
  if (!isObject(body)) {
    return { faults: [{ pointer: '', code: 'invalid-value', detail: 'expected an object with a draft of settings' }] };
  }
  const check = new QuestionCheck(body);
  check.names();
  const question: Question = {
    at: check.at(now),
    windowMs: check.window() ?? whatIfWindowMsDefault,
    top: check.integer('top', 1, whatIfTopMax) ?? whatIfTopDefault,
    ratePerHour: check.rate(),
    reclassify: check.flag('reclassify') ?? false,
    journalHours: check.integer('journalHours', 1, whatIfJournalHoursMax),
  };
  return check.faults.length > 0 ? { faults: check.faults } : { question };
}

class QuestionCheck {
  readonly faults: Fault[] = [];
  readonly #body: Record<string, unknown>;

  constructor(body: Record<string, unknown>) {
    this.#body = body;
  }

  names(): void {
    for (const name of Object.keys(this.#body).slice(0, 100)) {
      if (fields.includes(name)) continue;
      const near = nearest(name, fields);
      const hint = near === undefined ? `known here: ${fields.join(', ')}` : `did you mean ${near}?`;
      this.#add(
        name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1'),
        `this is not known here; ${hint}`,
        'unknown-field',
      );
    }
    if (bundleKinds.some((part) => Object.hasOwn(this.#body, part))) return;
    this.#fault('', 'missing-field', `expected a draft: at least one of ${bundleKinds.join(', ')}`);
  }

  at(now: Instant): Instant | undefined {
    const { at } = this.#body;
    if (at === undefined) return undefined;
    const instant = typeof at === 'string' ? parseInstant(at) : undefined;
    if (instant === undefined) this.#add('at', 'expected an ISO 8601 time with an offset, e.g. 2026-03-02T08:30:00Z');
    else if (instant < now) this.#add('at', 'expected a time that is not in the past');
    else if (instant > now + whatIfAheadMsMax) this.#add('at', `expected a time within ${aheadDays} days`);
    return instant;
  }

  window(): number | undefined {
    const { window } = this.#body;
    if (window === undefined) return undefined;
    const ms = typeof window === 'string' ? parseDuration(window) : undefined;
    if (ms !== undefined && ms > 0 && ms <= whatIfAheadMsMax) return ms;
    this.#add('window', `expected an ISO 8601 duration above zero and of at most ${aheadDays} days, e.g. PT24H`);
    return undefined;
  }

  rate(): number | undefined {
    const { ratePerHour: rate } = this.#body;
    if (rate === undefined) return undefined;
    if (typeof rate === 'number' && rate > 0 && rate <= whatIfRatePerHourMax) return rate;
    this.#add('ratePerHour', `expected a number above 0 and of at most ${whatIfRatePerHourMax}`);
    return undefined;
  }

  integer(name: (typeof asked)[number], min: number, max: number): number | undefined {
    const value = this.#body[name];
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.#add(name, `expected a whole number from ${min} to ${max}`);
    return undefined;
  }

  flag(name: (typeof asked)[number]): boolean | undefined {
    const value = this.#body[name];
    if (value === undefined || typeof value === 'boolean') return value;
    this.#add(name, 'expected true or false');
    return undefined;
  }

  #add(name: string, detail: string, code: RejectionCode = 'invalid-value'): void {
    this.#fault(`/${name}`, code, detail);
  }

  #fault(pointer: string, code: RejectionCode, detail: string): void {
    this.faults.push({ pointer, code, detail });
  }
}

import type { CategoryDocument } from '../../engine/category.js';
import type { Event } from '../../engine/event.js';
import { firstAt, type OracleItem, scoreAt, shown } from '../../engine/oracle.js';
import type { SchemaDocument } from '../../engine/schema.js';
import type { Instant, WorkItem } from '../../engine/work-item.js';
import type { Row } from './journal-fold.js';
import type { Violations } from './violation.js';

interface Candidate extends OracleItem {
  id: string;
  expirationDateTime?: Instant;
}

/**
 * Decides every `next` of the journal again, with the naive definition of the order over the items that were queued
 * then, at the instant that the event carries. The actor is serial, so that there is no tolerance: another choice is an
 * inversion, and so is an item that should have left or joined the queue by then.
 *
 * Settings order the queue from the moment at which their rebuild is swapped in, which the journal does not tell: they
 * must not change after the first item. Keys tell `next` from `assign`: an assignment without one is not judged.
 */
export class OrderReplay {
  decisions = 0;
  /** Largest number of items among which one was chosen. */
  widest = 0;
  /** Sum of the numbers of candidates. */
  #candidates = 0;
  readonly #violations: Violations;
  readonly #queued = new Map<string, Candidate>();
  readonly #items = new Map<string, WorkItem>();
  /** Scheduled items and when they must join the queue. */
  readonly #scheduled = new Map<string, Instant>();
  #schemas: readonly SchemaDocument[] = [];
  #schemaOf = new Map<string, string | undefined>();

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  get meanCandidates(): number {
    return this.decisions === 0 ? 0 : this.#candidates / this.decisions;
  }

  add({ seq, events }: Row): void {
    for (const [index, event] of events.entries()) this.#apply(event, seq + index);
  }

  #apply(event: Event, seq: number): void {
    switch (event.type) {
      case 'categoriesReplaced':
        this.#refuseLate(seq);
        this.#schemaOf = schemasByPath(event.categories);
        return;
      case 'prioritizationReplaced':
        this.#refuseLate(seq);
        this.#schemas = event.schemas;
        return;
      case 'calendarsReplaced':
        throw new Error('the replay knows wall time only');
      case 'filterSaved':
      case 'filterRemoved':
      case 'erasureAnnounced':
      case 'subjectErased':
      case 'subjectExported':
      case 'bulkActionStarted':
        return;
      case 'created':
      case 'updated':
        this.#keep(event.item);
        return;
      case 'deleted':
        this.#forget(event.id);
        return;
      default: {
        if (event.type === 'assigned' && event.key?.fingerprint.startsWith('next:'))
          this.#judge(event.id, event.at, seq);
        const before = this.#items.get(event.id);
        if (before === undefined) return;
        const fields = Object.entries({ ...before, ...event.set }).filter(([, value]) => value !== null);
        this.#keep({ ...(Object.fromEntries(fields) as unknown as WorkItem), status: event.status });
      }
    }
  }

  #refuseLate(seq: number): void {
    if (this.#items.size > 0) throw new Error(`seq ${seq} changes settings: the order cannot be replayed`);
  }

  #keep(item: WorkItem): void {
    this.#forget(item.id);
    this.#items.set(item.id, item);
    if (item.status === 'scheduled') this.#scheduled.set(item.id, item.activationDateTime!);
    if (item.status !== 'queued') return;
    const { id, seq, category, businessValue, customerSegment, override } = item;
    const { createdDateTime, activationDateTime, dueDateTime, expirationDateTime } = item;
    const scored = { seq, businessValue, customerSegment, override, createdDateTime, activationDateTime, dueDateTime };
    this.#queued.set(id, { id, expirationDateTime, schema: this.#schemaOf.get(category ?? ''), ...scored });
  }

  #forget(id: string): void {
    this.#items.delete(id);
    this.#queued.delete(id);
    this.#scheduled.delete(id);
  }

  #judge(chosen: string, at: Instant, seq: number): void {
    const candidates = [...this.#queued.values()];
    this.decisions++;
    this.#candidates += candidates.length;
    this.widest = Math.max(this.widest, candidates.length);
    const late = candidates.find(({ expirationDateTime }) => (expirationDateTime ?? Number.POSITIVE_INFINITY) <= at);
    if (late !== undefined) this.#note(seq, `item ${late.id} should have expired at ${late.expirationDateTime}`);
    for (const [id, activation] of this.#scheduled) {
      if (activation <= at) this.#note(seq, `item ${id} should have joined the queue at ${activation}`);
    }
    const best = firstAt(candidates, this.#schemas, at);
    if (best?.id === chosen) return;
    const taken = this.#queued.get(chosen);
    this.#note(seq, `at ${at} item ${this.#describe(taken, chosen, at)}, not ${this.#describe(best, 'none', at)}`);
  }

  #describe(item: Candidate | undefined, id: string, at: Instant): string {
    return item === undefined ? `${id} (not queued)` : `${item.id} (${shown(scoreAt(item, this.#schemas, at))} points)`;
  }

  #note(seq: number, detail: string): void {
    this.#violations.add('inversion', `seq ${seq}: ${detail}`);
  }
}

/** Schema of each category; only roots, so that nothing has to be inherited. */
function schemasByPath(categories: readonly CategoryDocument[]): Map<string, string | undefined> {
  const nested = categories.find(({ parent }) => parent !== null);
  if (nested !== undefined) throw new Error(`category ${nested.id} has a parent: the replay knows roots only`);
  return new Map(categories.map(({ id, schema }) => [id, schema]));
}

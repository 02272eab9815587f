import type { Command, ItemCommand, ItemCommandName } from '../../engine/command.js';
import { decide } from '../../engine/decide.js';
import { parseDraft } from '../../engine/draft.js';
import type { Event } from '../../engine/event.js';
import { isRejection } from '../../engine/rejection.js';
import { TenantState } from '../../engine/state.js';
import type { Draft, WorkItem } from '../../engine/work-item.js';
import type { Operation } from './history.js';
import { type Row, stateOf } from './journal-fold.js';
import { categories, drawItem, randomFrom, schemas } from './load-item.js';
import type { Spoilable } from './tampering.js';

const start = Date.now();

/** A small sound run without servers: the engine decides, one operation after the other, and everything is written down. */
export class SampleRun {
  readonly #state = new TenantState({
    tenantId: 't',
    attributesBytesMax: 65_536,
    documentBytesMax: 1e9,
    schemas: [],
    categories: [],
  });
  readonly #operations: Operation[] = [];
  readonly #rows: Row[] = [];
  readonly #history: Spoilable['tables']['history'] = [];
  readonly #items = new Map<string, WorkItem>();
  readonly #keys = new Map<string, string | null>();
  #now = start;

  constructor() {
    this.#run({ type: 'replaceSettings', content: { kind: 'prioritization', document: schemas } });
    this.#run({ type: 'replaceSettings', content: { kind: 'categories', document: categories } });
    while (!this.#state.stepRebuild(1e6, this.#now)) {
      // The queue is empty.
    }
  }

  /** Items that are created, taken, held, completed. */
  static of(items: number): Spoilable {
    const run = new SampleRun();
    const random = randomFrom(1);
    const ids = Array.from({ length: items }, () => run.#create(random));
    for (const id of ids.slice(0, 3)) run.#command('hold', id);
    run.#command('reprioritize', ids[4]!, { priority: 1e6 });
    run.#delete(ids[1]!);
    const taken = Array.from({ length: Math.floor(items / 2) }, () => run.#next());
    for (const id of taken.slice(0, -2)) run.#command('complete', id);
    return run.#evidence();
  }

  #evidence(): Spoilable {
    const lastSeq = this.#state.seq;
    const tables = { lastSeq, leaseEpoch: 1, cursor: lastSeq };
    const rest = { items: this.#items, history: this.#history, keys: this.#keys };
    return structuredClone({
      operations: this.#operations,
      journal: this.#rows,
      tables: { ...tables, ...rest },
    });
  }

  #create(random: () => number): string {
    const number = this.#operations.length + 1;
    const { activationDateTime, expirationDateTime, ...body } = drawItem(random, `capture-${number}`, number);
    const draft = parseDraft(body, { now: this.#now, attributesBytesMax: 65_536, tenantId: 't' }) as Draft;
    const key = `create-${number}`;
    return this.#operate('create', { type: 'create', draft, mode: 'create', key: { key, fingerprint: 'create:' } });
  }

  #next(): string {
    const key = `next-${this.#operations.length}`;
    return this.#operate('next', { type: 'next', agentId: 'agent-1', key: { key, fingerprint: 'next:' } }, 'agent-1');
  }

  #delete(id: string): void {
    const number = this.#operations.length + 1;
    const { captureId } = this.#state.mustDocument(id);
    const key = `delete-${number}`;
    this.#run({ type: 'delete', id, key: { key, fingerprint: 'delete:' } });
    this.#operations.push({
      ...{ number, client: 0, action: 'delete', captureId, id, key, answer: { kind: 'deleted', id } },
      ...{ call: number * 10, lastCall: number * 10, ret: number * 10 + 5, attempts: 1, doubtful: 0 },
    });
  }

  #command(name: ItemCommandName & Operation['action'], id: string, said: Partial<ItemCommand> = {}): void {
    const key = `${name}-${this.#operations.length}`;
    this.#operate(name, { ...said, type: name, id, key: { key, fingerprint: `${name}:` } });
  }

  #operate(action: Operation['action'], command: Command & { key?: { key: string } }, agent?: string): string {
    const number = this.#operations.length + 1;
    const id = this.#run(command);
    const item = this.#state.mustDocument(id);
    const status = action === 'create' ? 201 : 200;
    this.#operations.push({
      ...{ number, client: 0, action, captureId: item.captureId, id, agent, key: command.key?.key },
      ...{ call: number * 10, lastCall: number * 10, ret: number * 10 + 5, attempts: 1, doubtful: 0 },
      answer: { kind: 'done', status, replayed: false, id, seen: stateOf(item) },
    });
    return id;
  }

  #run(command: Command): string {
    this.#now += 5;
    const newId = () => `00000000-0000-7000-8000-${`${this.#state.seq}`.padStart(12, '0')}`;
    const decision = decide(this.#state, command, this.#now, newId);
    if (isRejection(decision)) throw new Error(decision.detail);
    for (const event of decision.events) this.#commit(event);
    return decision.itemId ?? '';
  }

  #commit(event: Event): void {
    this.#state.apply(event);
    const { seq } = this.#state;
    this.#rows.push({ seq, epoch: 1, eventCount: 1, events: [event] });
    const itemId = 'item' in event ? event.item.id : 'id' in event ? event.id : undefined;
    if (itemId === undefined) return;
    const item = event.type === 'deleted' ? event : this.#state.mustDocument(itemId);
    if ('attributes' in item) this.#items.set(itemId, item);
    else this.#items.delete(itemId);
    this.#history.push({ seq, itemId, type: event.type, version: item.version, status: item.status });
    if (event.key !== undefined) this.#keys.set(event.key.key, itemId);
  }
}

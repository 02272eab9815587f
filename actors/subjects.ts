import type { Event, ItemEvent } from '../engine/event.js';
import { formatInstant } from '../engine/instant.js';
import { eventWithout, type Personal, subjectIdsOf } from '../engine/personal.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import { formatUuid } from '../engine/uuid.js';
import { itemText } from './answers.js';
import type { LedgerEntry, PersonalStore, StoredRow } from './ports/personal-store.js';
import type { Runtime, TenantStores } from './ports.js';
import type { Projector } from './projector.js';
import type { Reply, Request } from './request.js';

/** Rows of the journal in memory at a time: each may have four megabytes. */
const rowsARead = 8;
const scanRows = 64;
/** How long an erasure waits for the follower before it gives up; asked again, it goes on. */
const followerMsMax = 60_000;
/** A row that somebody else rewrote meanwhile is read again. */
const rewritesMax = 5;
/** Items that are erased together, and notes that are written together, when the ledger is replayed. */
const idsASlice = 200;
const notesAtOnce = 1000;
const ledgerAsks = { by: 'ledger' };
/** Items of one person that an export finds. */
const exportItemsMax = 50_000;
const historyLinesMax = 1000;
/** Persons' ids whose hash is remembered while a restored journal is searched. */
const hashesMax = 100_000;

export interface SubjectsContext {
  state: TenantState;
  stores: TenantStores;
  projector: Projector;
  runtime: Runtime;
  durableSeq: () => number;
  /** Decides a request of our own before those of clients; resolves when it is durable. */
  ask: (request: Request) => Promise<Reply>;
}

interface Asked {
  by?: string;
  from?: string;
}

/** What an erasure has found and taken away, by store. */
interface Receipt {
  workItems: number;
  journalRows: number;
  historyLines: number;
  idempotencyKeys: number;
}

/**
 * What is known of a person: given out, and taken away. A person's items are found in the journal, which has said every
 * captured value once, also of items that are in no table any more and of ids that were changed since.
 *
 * An erasure goes through the journal once. For each slice of items: the `erased` events are committed (memory, order,
 * tables and snapshots follow them as they follow any event), then the rows of the journal are rewritten without the
 * data, each announced in the journal before, then the history and the keys. Every step can be done twice: an erasure
 * that was interrupted is done again from the beginning. One at a time.
 */
export class Subjects {
  readonly #c: SubjectsContext;
  readonly #store: PersonalStore;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(context: SubjectsContext) {
    this.#c = context;
    this.#store = context.stores.personal;
  }

  run(request: Extract<Request, { op: 'eraseSubject' | 'exportSubject' }>): Promise<Reply> {
    if (request.op === 'exportSubject') return this.#export(request);
    const turn = this.#tail.then(() => this.#erase(request));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /**
   * Erases again whom the ledger names and this database does not know as erased, because it is a restored backup. To
   * be called before anybody is served.
   */
  async replay(onNote: (message: string) => void): Promise<void> {
    // Tables that lag may miss erasures, never have too many: nobody waits for them when they miss none.
    if ((await this.#store.notErased()).length === 0) return;
    await this.#projected();
    const entries = await this.#store.notErased();
    if (entries.length === 0) return;
    onNote(`${entries.length} erasures of the ledger are not in this database: erasing again`);
    // What was personal to any of them goes: rather too much than too little.
    const personal: Personal = {
      keys: [...new Set(entries.flatMap(({ keys }) => keys))],
      paths: [...new Set(entries.flatMap(({ paths }) => paths))],
    };
    const items = await this.#itemsOfLedger(entries, personal.keys);
    const ids = [...new Set([...items.values()].flatMap((found) => [...found]))];
    const together: LedgerEntry = { id: this.#newId(), subject: '', ...personal };
    for (let from = 0; from < ids.length; from += idsASlice) {
      await this.#eraseItems(ids.slice(from, from + idsASlice), together, ledgerAsks, newReceipt());
    }
    for (let from = 0; from < entries.length; from += notesAtOnce) {
      const some = entries.slice(from, from + notesAtOnce);
      await Promise.all(some.map(({ id }) => this.#note(id, { workItems: items.get(id)?.size ?? 0 }, ledgerAsks)));
    }
    await this.#projected();
  }

  async #erase({ subject, by, from }: Extract<Request, { op: 'eraseSubject' }>): Promise<Reply> {
    const hash = await this.#store.hasher();
    const { keys, paths } = this.#c.state.categories.personal;
    const fresh: LedgerEntry = { id: this.#newId(), subject: hash(subject), keys, paths };
    const entry = { ...fresh, id: await this.#store.addToLedger(fresh) };
    const receipt = newReceipt();
    await this.#eraseOne(subject, entry, { by, from }, receipt);
    await this.#note(entry.id, receipt, { by, from });
    await this.#projected();
    return { status: 200, json: JSON.stringify(receiptBody(entry.id, this.#c.runtime.now(), receipt)) };
  }

  async #eraseOne(subject: string, entry: LedgerEntry, asked: Asked, receipt: Receipt): Promise<void> {
    const untilSeq = this.#c.durableSeq();
    const seen = new Set<string>();
    for (let from: number | undefined = 0; from !== undefined; ) {
      const found = await this.#store.rowsWith(subject, from, untilSeq, rowsARead);
      const ids = itemsOf(found.rows, subject, entry.keys).filter((id) => !seen.has(id));
      for (const id of ids) seen.add(id);
      if (ids.length > 0) await this.#eraseItems(ids, entry, asked, receipt);
      from = found.next;
    }
  }

  async #eraseItems(ids: readonly string[], entry: LedgerEntry, asked: Asked, receipt: Receipt): Promise<void> {
    const before = this.#c.state.seq;
    const { keys, paths } = entry;
    await this.#ask({ op: 'eraseItems', ids, personal: { keys, paths }, ...asked });
    receipt.workItems += ids.length;
    if (this.#c.state.seq > before) await this.#projected();
    let afterSeq = 0;
    for (;;) {
      const rows = await this.#store.rowsOf(ids, afterSeq, rowsARead);
      receipt.journalRows += await this.#rewrite(rows, new Set(ids), entry, asked);
      if (rows.length < rowsARead) break;
      afterSeq = rows[rows.length - 1]!.seq;
    }
    const fields = [...keys, 'reason', 'error'];
    const scrubbed = await this.#store.scrub(ids, fields);
    receipt.historyLines += scrubbed.history;
    receipt.idempotencyKeys += scrubbed.keys;
  }

  /** Announces the rows' new digests, then rewrites them. @returns how many rows held something. */
  async #rewrite(rows: readonly StoredRow[], ids: ReadonlySet<string>, entry: LedgerEntry, asked: Asked) {
    let left = rows.map((row) => this.#without(row, ids, entry)).filter((one) => one !== undefined);
    const count = left.length;
    for (let tries = 1; left.length > 0; tries++) {
      if (tries > rewritesMax) throw new Error('rows of the journal change while they are being erased');
      const announced = left.filter(({ row }) => row.isLinked).map(({ row, digest }) => ({ seq: row.seq, digest }));
      if (announced.length > 0) {
        await this.#ask({
          op: 'note',
          note: { type: 'erasureAnnounced', erasure: entry.id, rows: announced },
          ...asked,
        });
      }
      const missed: StoredRow[] = [];
      for (const { row, bytes } of left) if (!(await this.#store.rewrite(row, bytes))) missed.push(row);
      const again = await Promise.all(missed.map(({ seq }) => this.#store.rowsOf([...ids], seq - 1, 1)));
      left = again.flatMap(([row]) => (row && this.#without(row, ids, entry)) ?? []);
    }
    return count;
  }

  /** The row without the items' personal data; undefined when it holds none. */
  #without(row: StoredRow, ids: ReadonlySet<string>, personal: Personal) {
    const events = row.events.map((event) =>
      ids.has(itemIdOf(event) ?? '') ? eventWithout(event as ItemEvent, personal) : event,
    );
    const packed = this.#store.packed(events);
    return Buffer.compare(packed.digest, row.digest) === 0 ? undefined : { row, ...packed };
  }

  #note(erasure: string, { workItems, journalRows }: Partial<Receipt>, asked: Asked): Promise<void> {
    const note = { type: 'subjectErased', erasure, items: workItems ?? 0, journalRows } as const;
    return this.#ask({ op: 'note', note, ...asked });
  }

  /** The items of each entry's person, found by hashing every person's id that the journal holds. */
  async #itemsOfLedger(entries: readonly LedgerEntry[], keys: readonly string[]): Promise<Map<string, Set<string>>> {
    const hash = await this.#store.hasher();
    const entriesOf = new Map<string, LedgerEntry[]>();
    for (const entry of entries) entriesOf.set(entry.subject, [...(entriesOf.get(entry.subject) ?? []), entry]);
    const found = new Map<string, Set<string>>(entries.map(({ id }) => [id, new Set()]));
    let hashed = new Map<string, LedgerEntry[]>();
    for (let afterSeq = 0, untilSeq = this.#c.durableSeq(); afterSeq < untilSeq; ) {
      const rows = await this.#c.stores.journal.read(afterSeq, scanRows);
      if (rows.length === 0) break;
      for (const event of rows.flatMap((row) => row.events)) {
        for (const subject of 'item' in event ? subjectIdsOf(event.item, keys) : []) {
          const meant = hashed.get(subject) ?? entriesOf.get(hash(subject)) ?? [];
          hashed.set(subject, meant);
          for (const { id } of meant) found.get(id)?.add((event as Extract<Event, { item: unknown }>).item.id);
        }
      }
      if (hashed.size > hashesMax) hashed = new Map();
      const last = rows[rows.length - 1]!;
      afterSeq = last.seq + last.events.length - 1;
      await new Promise<void>((resolve) => this.#c.runtime.soon(resolve));
    }
    return found;
  }

  async #export({ subject, limit, cursor, by, from }: Extract<Request, { op: 'exportSubject' }>): Promise<Reply> {
    await this.#projected();
    const ids = await this.#itemsOfSubject(subject);
    if (isRejection(ids)) return ids;
    const rest = ids.filter((id) => cursor === undefined || id > cursor);
    const page = rest.slice(0, limit);
    const items = await this.#exported(page);
    await this.#ask({ op: 'note', note: { type: 'subjectExported', items: page.length }, by, from });
    const next = rest.length > limit ? page[page.length - 1] : null;
    return { status: 200, json: JSON.stringify({ subject, at: formatInstant(this.#c.runtime.now()), items, next }) };
  }

  async #itemsOfSubject(subject: string): Promise<string[] | Rejection> {
    const { keys } = this.#c.state.categories.personal;
    const ids = new Set<string>();
    const untilSeq = this.#c.durableSeq();
    for (let from: number | undefined = 0; from !== undefined; ) {
      const found = await this.#store.rowsWith(subject, from, untilSeq, rowsARead);
      for (const id of itemsOf(found.rows, subject, keys)) ids.add(id);
      if (ids.size > exportItemsMax)
        return reject('too-large', `more than ${exportItemsMax} items are about this person`);
      from = found.next;
    }
    return [...ids].sort();
  }

  /** Each item as it is now, its history (which is its part of the audit log), and what the journal has of it. */
  async #exported(ids: readonly string[]): Promise<object[]> {
    const { state, stores, runtime } = this.#c;
    const now = runtime.now();
    const current = new Map((await stores.projection.load(ids)).map((item) => [item.id, item]));
    const journal = await this.#journalOf(ids);
    return Promise.all(
      ids.map(async (id) => {
        const item = current.get(id);
        return {
          id,
          item: item === undefined ? null : (JSON.parse(itemText(state, item, now)) as object),
          history: await stores.projection.history(id, 0, historyLinesMax),
          journal: journal.get(id) ?? [],
        };
      }),
    );
  }

  async #journalOf(ids: readonly string[]): Promise<Map<string, object[]>> {
    const events = new Map<string, object[]>(ids.map((id) => [id, []]));
    for (let afterSeq = 0; ; ) {
      const rows = await this.#store.rowsOf(ids, afterSeq, rowsARead);
      for (const row of rows) {
        row.events.forEach((event, index) => {
          events.get(itemIdOf(event) ?? '')?.push({ seq: row.seq + index, ...event });
        });
      }
      if (rows.length < rowsARead) return events;
      afterSeq = rows[rows.length - 1]!.seq;
    }
  }

  /** Everything that is durable is in the tables. */
  async #projected(): Promise<void> {
    const { projector, durableSeq } = this.#c;
    if (!(await projector.reached(durableSeq(), followerMsMax))) throw new Error('the follower does not catch up');
  }

  async #ask(request: Request): Promise<void> {
    const reply = await this.#c.ask(request);
    if (reply.rejected) throw new Error(`${request.op} was refused: ${reply.code} ${reply.detail}`);
  }

  #newId(): string {
    const words = new Uint32Array(this.#c.runtime.randomBytes(16).slice().buffer);
    return formatUuid(words[0]!, words[1]!, words[2]!, words[3]!);
  }
}

function newReceipt(): Receipt {
  return { workItems: 0, journalRows: 0, historyLines: 0, idempotencyKeys: 0 };
}

/** Ids of the items that, by any event of these rows, are about the person. */
function itemsOf(rows: readonly StoredRow[], subject: string, keys: readonly string[]): string[] {
  const ids = new Set<string>();
  for (const event of rows.flatMap((row) => row.events)) {
    if ('item' in event && subjectIdsOf(event.item, keys).includes(subject)) ids.add(event.item.id);
  }
  return [...ids];
}

function itemIdOf(event: Event): string | undefined {
  if ('item' in event) return event.item.id;
  return 'id' in event ? event.id : undefined;
}

function receiptBody(
  id: string,
  at: number,
  { workItems, journalRows, historyLines, idempotencyKeys }: Receipt,
): object {
  return {
    id,
    at: formatInstant(at),
    stores: {
      workItem: { items: workItems },
      journal: { rows: journalRows },
      history: { lines: historyLines },
      audit: { lines: historyLines, note: 'the audit log of items is their history' },
      idempotencyKey: { keys: idempotencyKeys },
      snapshot: { note: 'holds no personal data: columns of the order, hashes of captureIds' },
      ledger: { note: 'erased again when the database comes back from a backup' },
    },
  };
}

import type { Event, ItemEvent } from '../engine/event.js';
import { formatInstant } from '../engine/instant.js';
import { eventWithout, freeTexts, type Personal, subjectIdsOf } from '../engine/personal.js';
import { isAskable, personalValuesOf } from '../engine/personal-text.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { TenantState } from '../engine/state.js';
import { formatUuid } from '../engine/uuid.js';
import { itemText } from './answers.js';
import type { BulkRunner } from './bulk-runner.js';
import { type Erasure, JournalRewriter } from './journal-rewriter.js';
import { LedgerSearch } from './ledger-search.js';
import type { LedgerEntry, PersonalStore, StoredRow } from './ports/personal-store.js';
import type { Runtime, TenantStores } from './ports.js';
import type { Projector } from './projector.js';
import type { Reply, Request } from './request.js';
import { type Met, SubjectTexts, type TextsReceipt } from './subject-texts.js';

/** Rows of the journal in memory at a time: each may have four megabytes. */
const rowsARead = 8;
const scanRows = 64;
/** How long an erasure waits for the follower before it gives up; asked again, it goes on. */
const followerMsMax = 60_000;
/** Items that are erased together, and notes that are written together, when the ledger is replayed. */
const idsASlice = 200;
const notesAtOnce = 1000;
const ledgerAsks = { by: 'ledger' };
/** Key of a command that a bulk action gave. */
const bulkKey = /^bulk:([0-9a-f-]{36})#/;
/** Items of one person that an export finds. */
const exportItemsMax = 50_000;
const historyLinesMax = 1000;

export interface SubjectsContext {
  state: TenantState;
  stores: TenantStores;
  projector: Projector;
  runtime: Runtime;
  bulkRunner: BulkRunner;
  durableSeq: () => number;
  /** Decides a request of our own before those of clients; resolves when it is durable. */
  ask: (request: Request) => Promise<Reply>;
  /** Puts a snapshot of now in the place of the stored one. */
  saveSnapshot: () => Promise<void>;
}

type Asked = Omit<Erasure, 'id'>;

/** Whose data goes, under which id of an erasure. */
interface Whose extends Personal {
  id: string;
  subjects: ReadonlySet<string>;
}

/** What an erasure has found and taken away, by store. */
interface Receipt extends TextsReceipt {
  workItems: number;
  historyLines: number;
  idempotencyKeys: number;
}

/**
 * What is known of a person: given out, and taken away. A person's items are found in the journal, which has said every
 * captured value once, also of items that are in no table any more and of ids that were changed since.
 *
 * An erasure goes through the journal once. For each slice of items: the `erased` events are committed (memory, order,
 * tables and snapshots follow them as they follow any event), then the history, the keys, saved filters and bulk actions
 * lose what was found of the person, then the rows of the journal are rewritten, each announced in the journal before,
 * those that name the person last. Every step can be done twice: an erasure
 * that was interrupted is done again from the beginning. One at a time.
 */
export class Subjects {
  readonly #c: SubjectsContext;
  readonly #store: PersonalStore;
  readonly #rewriter: JournalRewriter;
  readonly #texts: SubjectTexts;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(context: SubjectsContext) {
    this.#c = context;
    this.#store = context.stores.personal;
    this.#rewriter = new JournalRewriter(this.#store, (request) => this.#ask(request));
    this.#texts = new SubjectTexts({
      ...context,
      runner: context.bulkRunner,
      rewriter: this.#rewriter,
      ask: (request) => this.#ask(request),
      projected: () => this.#projected(),
    });
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
    const { items, subjects } = await this.#searchLedger(entries, personal.keys);
    const ids = [...new Set([...items.values()].flatMap((found) => [...found]))];
    const together: LedgerEntry = { id: this.#newId(), subject: '', ...personal };
    await this.#eraseTexts([...subjects], together, ledgerAsks, newReceipt());
    for (let from = 0; from < ids.length; from += idsASlice) {
      await this.#eraseItems(ids.slice(from, from + idsASlice), { ...together, subjects }, ledgerAsks, newReceipt());
    }
    for (let from = 0; from < entries.length; from += notesAtOnce) {
      const some = entries.slice(from, from + notesAtOnce);
      await Promise.all(some.map(({ id }) => this.#note(id, { workItems: items.get(id)?.size ?? 0 }, ledgerAsks)));
    }
    await this.#projected();
    await this.#replaceSnapshot();
  }

  async #erase({ subject, by, from }: Extract<Request, { op: 'eraseSubject' }>): Promise<Reply> {
    const hash = await this.#store.hasher();
    const { keys, paths } = this.#c.state.categories.personal;
    const fresh: LedgerEntry = { id: this.#newId(), subject: hash(subject), keys, paths };
    const entry = { ...fresh, id: await this.#store.addToLedger(fresh) };
    const receipt = newReceipt();
    await this.#projected();
    await this.#eraseTexts([subject], entry, { by, from }, receipt);
    await this.#eraseOne(subject, entry, { by, from }, receipt);
    await this.#replaceSnapshot();
    await this.#note(entry.id, receipt, { by, from });
    await this.#projected();
    return { status: 200, json: JSON.stringify(receiptBody(entry.id, this.#c.runtime.now(), receipt)) };
  }

  #eraseTexts(subjects: readonly string[], entry: LedgerEntry, asked: Asked, receipt: Receipt): Promise<void> {
    const { id, keys, paths } = entry;
    const person = { keys, paths, subjects: subjects.filter(isAskable) };
    return this.#texts.erase(person, { values: new Map(), bulkActions: [] }, { id, ...asked }, receipt);
  }

  async #replaceSnapshot(): Promise<void> {
    if (!this.#texts.filtersChanged) return;
    await this.#c.saveSnapshot();
    this.#texts.filtersChanged = false;
  }

  async #eraseOne(subject: string, entry: LedgerEntry, asked: Asked, receipt: Receipt): Promise<void> {
    const untilSeq = this.#c.durableSeq();
    const seen = new Set<string>();
    for (let from: number | undefined = 0; from !== undefined; ) {
      const found = await this.#store.rowsWith(subject, from, untilSeq, rowsARead);
      const ids = itemsOf(found.rows, subject, entry.keys).filter((id) => !seen.has(id));
      for (const id of ids) seen.add(id);
      const whose = { ...entry, subjects: new Set([subject]) };
      if (ids.length > 0) await this.#eraseItems(ids, whose, asked, receipt);
      from = found.next;
    }
  }

  async #eraseItems(ids: readonly string[], person: Whose, asked: Asked, receipt: Receipt): Promise<void> {
    const before = this.#c.state.seq;
    const { keys, paths } = person;
    await this.#ask({ op: 'eraseItems', ids, personal: { keys, paths }, ...asked });
    receipt.workItems += ids.length;
    if (this.#c.state.seq > before) await this.#projected();
    const scrubbed = await this.#store.scrub(ids, [...keys, ...freeTexts]);
    receipt.historyLines += scrubbed.history;
    receipt.idempotencyKeys += scrubbed.keys;
    // Whoever does it again finds the items by the rows that name the person.
    const about = new Set(ids);
    await this.#rewriteRows(about, person, (row) => !names(row, about, person), asked, receipt);
    await this.#rewriteRows(about, person, (row) => names(row, about, person), asked, receipt);
  }

  async #rewriteRows(
    ids: ReadonlySet<string>,
    person: Whose,
    isMeant: (row: StoredRow) => boolean,
    asked: Asked,
    receipt: Receipt,
  ): Promise<void> {
    const { keys, paths } = person;
    const without = (event: Event) =>
      ids.has(itemIdOf(event) ?? '') ? eventWithout(event as ItemEvent, person) : event;
    const reread = async (seq: number) => (await this.#store.rowsOf([...ids], seq - 1, 1))[0];
    const erasure = { id: person.id, ...asked };
    for (let afterSeq = 0; ; ) {
      const rows = await this.#store.rowsOf([...ids], afterSeq, rowsARead);
      const meant = rows.filter(isMeant);
      await this.#texts.erase({ keys, paths, subjects: [] }, metIn(meant, ids, person), erasure, receipt);
      receipt.journalRows += await this.#rewriter.rewrite(meant, { without, reread, erasure });
      if (rows.length < rowsARead) return;
      afterSeq = rows[rows.length - 1]!.seq;
    }
  }

  #note(erasure: string, { workItems, journalRows }: Partial<Receipt>, asked: Asked): Promise<void> {
    const note = { type: 'subjectErased', erasure, items: workItems ?? 0, journalRows } as const;
    return this.#ask({ op: 'note', note, ...asked });
  }

  /** Who is meant, and which items are about them, found by hashing every person's id that the journal holds. */
  async #searchLedger(entries: readonly LedgerEntry[], keys: readonly string[]): Promise<LedgerSearch> {
    const search = new LedgerSearch(entries, keys, await this.#store.hasher());
    await this.#texts.scanBulkActions((texts) => search.texts(texts));
    for (let afterSeq = 0, untilSeq = this.#c.durableSeq(); afterSeq < untilSeq; ) {
      const rows = await this.#c.stores.journal.read(afterSeq, scanRows);
      if (rows.length === 0) break;
      for (const event of rows.flatMap((row) => row.events)) search.event(event);
      const last = rows[rows.length - 1]!;
      afterSeq = last.seq + last.events.length - 1;
      await new Promise<void>((resolve) => this.#c.runtime.soon(resolve));
    }
    return search;
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
    const at = formatInstant(this.#c.runtime.now());
    const texts = cursor === undefined ? await this.#texts.export(subject) : { savedFilters: [], bulkActions: [] };
    return { status: 200, json: JSON.stringify({ subject, at, items, ...texts, next }) };
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

/** Whether a row says whom one of these items is about. */
function names(row: StoredRow, ids: ReadonlySet<string>, { subjects, keys }: Whose): boolean {
  return row.events.some(
    (event) =>
      'item' in event && ids.has(event.item.id) && subjectIdsOf(event.item, keys).some((id) => subjects.has(id)),
  );
}

function newReceipt(): Receipt {
  return { workItems: 0, journalRows: 0, historyLines: 0, idempotencyKeys: 0, savedFilters: 0, bulkActions: 0 };
}

/** What these rows have of the items that others may have written elsewhere, and which bulk actions reached them. */
function metIn(rows: readonly StoredRow[], ids: ReadonlySet<string>, personal: Personal): Met {
  const values = new Map<string, Set<string>>();
  const bulkActions = new Set<string>();
  for (const event of rows.flatMap((row) => row.events)) {
    if (!ids.has(itemIdOf(event) ?? '')) continue;
    for (const [field, value] of 'item' in event ? personalValuesOf(event.item, personal) : []) {
      values.set(value, (values.get(value) ?? new Set()).add(field));
    }
    const [, bulkAction] = bulkKey.exec(event.key?.key ?? '') ?? [];
    if (bulkAction !== undefined) bulkActions.add(bulkAction);
  }
  return { values, bulkActions: [...bulkActions] };
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
  { workItems, journalRows, historyLines, idempotencyKeys, savedFilters, bulkActions }: Receipt,
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
      savedFilter: { filters: savedFilters },
      bulkAction: { actions: bulkActions },
      snapshot: { note: 'holds no item’s personal data; taken anew when a saved filter has changed' },
      ledger: { note: 'erased again when the database comes back from a backup' },
    },
  };
}

import { type Event, isFilterChanged, writtenDetails } from '../engine/event.js';
import { parseFilter } from '../engine/filter-parser.js';
import { erased, erasedFingerprint } from '../engine/personal.js';
import {
  filterEventWithout,
  filterWithout,
  idTells,
  questionWithout,
  type Telling,
  textWithout,
} from '../engine/personal-text.js';
import { isRejection } from '../engine/rejection.js';
import type { FilterVersion } from '../engine/saved-filter.js';
import type { TenantState } from '../engine/state.js';
import type { BulkRunner } from './bulk-runner.js';
import type { Erasure, JournalRewriter } from './journal-rewriter.js';
import type { BulkAction } from './ports/bulk-action-store.js';
import { type Runtime, SearchRefused, type TenantStores } from './ports.js';
import type { Request } from './request.js';

/** Rows of the journal in memory at a time: each may have four megabytes. */
const rowsARead = 8;
const textsARead = 200;
const actionsARead = 100;
/** Each has 16 KB at most. */
const filtersATurn = 50;
/** Filters and bulk actions of one person that an export shows, of each. */
const exportedMax = 1000;

/** Who is meant: the ids, and where such a person's data stands. */
export type Person = Omit<Telling, 'values'>;

export interface SubjectTextsContext {
  state: TenantState;
  stores: TenantStores;
  runner: BulkRunner;
  rewriter: JournalRewriter;
  runtime: Runtime;
  /** Resolves when it is durable. */
  ask: (request: Request) => Promise<void>;
  /** Resolves when everything that is durable is in the tables. */
  projected: () => Promise<void>;
}

/** What an erasure has met in the person's items. */
export interface Met {
  /** Personal values and the fields that they stood in. */
  values: ReadonlyMap<string, ReadonlySet<string>>;
  /** Bulk actions that did something to the items: what people wrote for them goes. */
  bulkActions: readonly string[];
}

/** What was taken from where. */
export interface TextsReceipt {
  savedFilters: number;
  bulkActions: number;
  journalRows: number;
}

/**
 * What is said of a person outside of the person's items: in saved filters, also as the journal has them, and in bulk
 * actions. Every step can be done twice, and what finds the next one goes last.
 */
export class SubjectTexts {
  readonly #c: SubjectTextsContext;
  /** A snapshot holds filters: one from before this erasure must be replaced. */
  filtersChanged = false;

  constructor(context: SubjectTextsContext) {
    this.#c = context;
  }

  async erase(person: Person, met: Met, erasure: Erasure, receipt: TextsReceipt): Promise<void> {
    const mentioned = new Set(await this.#mentioned([...person.subjects, ...met.values.keys()]));
    const subjects = person.subjects.filter((text) => mentioned.has(text));
    const values: string[] = [];
    for (const [value, fields] of met.values) {
      // What other persons' items hold too (a town, a first name) tells of nobody: it stays.
      if (mentioned.has(value) && !(await this.#isHeld(value, fields))) values.push(value);
    }
    const telling: Telling = { ...person, subjects, values };
    const texts = [...subjects, ...values];
    const touched = met.bulkActions;
    if (texts.length > 0) await this.#eraseFilters(telling, texts, erasure, receipt);
    if (texts.length + touched.length > 0) await this.#eraseBulkActions(telling, texts, touched, receipt);
  }

  /** The saved filters and the bulk actions that name the person. */
  async export(subject: string): Promise<{ savedFilters: object[]; bulkActions: object[] }> {
    const { state, stores } = this.#c;
    const telling: Telling = { ...state.categories.personal, subjects: [subject], values: [] };
    const savedFilters = (await this.#filters(telling)).map(({ id, name, shared, owner, filter }) => {
      return { id, name, shared, owner: owner ?? null, filter };
    });
    const bulkActions: object[] = [];
    for (let after: string | undefined; bulkActions.length < exportedMax; ) {
      const actions = await stores.bulkActions.telling([subject], [], actionsARead, after);
      for (const action of actions.filter((one) => bulkActionWithout(one, telling, false) !== one)) {
        const { id, action: name, arguments: given, filter, by } = action;
        bulkActions.push({ id, action: name, arguments: given, filter: filter ?? null, by: by ?? null });
      }
      if (actions.length < actionsARead) break;
      after = actions[actions.length - 1]!.id;
    }
    return { savedFilters: savedFilters.slice(0, exportedMax), bulkActions };
  }

  /** Calls back with the texts of every bulk action. */
  async scanBulkActions(each: (texts: unknown) => void): Promise<void> {
    for (let before: string | undefined; ; ) {
      const actions = await this.#c.stores.bulkActions.list(actionsARead, before);
      for (const { arguments: given, filter } of actions) each([given, filter]);
      if (actions.length < actionsARead) return;
      before = actions[actions.length - 1]!.id;
    }
  }

  async #mentioned(texts: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (let from = 0; from < texts.length; from += textsARead) {
      found.push(...(await this.#c.stores.personal.mentioned(texts.slice(from, from + textsARead))));
    }
    return found;
  }

  /** Whether an item has the value in one of the fields. */
  async #isHeld(value: string, fields: ReadonlySet<string>): Promise<boolean> {
    const number = String(Number(value)) === value ? [Number(value)] : [];
    const conditions = [...fields].flatMap((field) =>
      (field.startsWith('attributes.') ? [value, ...number] : [value]).map((one) => ({ field, op: 'eq', value: one })),
    );
    const filter = parseFilter({ or: conditions });
    // Rather too much than too little.
    if (isRejection(filter)) return false;
    try {
      return (await this.#c.stores.projection.matchingIds(filter, this.#c.runtime.now(), 1)).length > 0;
    } catch (error) {
      if (error instanceof SearchRefused) return false;
      throw error;
    }
  }

  /** The saved filters that tell of the person; looked at some a turn, for they may be many and long. */
  async #filters(telling: Telling): Promise<FilterVersion[]> {
    const { state, runtime } = this.#c;
    const saved = state.filters.changes.flatMap(([, filter]) => filter ?? []);
    const found: FilterVersion[] = [];
    for (let from = 0; from < saved.length; from += filtersATurn) {
      if (from > 0) await new Promise<void>((resolve) => runtime.soon(resolve));
      const some = saved.slice(from, from + filtersATurn);
      found.push(...some.filter((one) => idTells(one.id, telling) || filterWithout(one, telling) !== one));
    }
    return found;
  }

  async #eraseFilters(telling: Telling, texts: string[], erasure: Erasure, receipt: TextsReceipt): Promise<void> {
    const { stores, rewriter, ask, projected } = this.#c;
    const { id: _id, ...asked } = erasure;
    const filterIds = (await this.#filters(telling)).map((filter) => filter.id);
    for (let from = 0; from < filterIds.length; from += filtersATurn) {
      await ask({ op: 'eraseFilters', filterIds: filterIds.slice(from, from + filtersATurn), telling, ...asked });
      this.filtersChanged = true;
    }
    receipt.savedFilters += filterIds.length;
    await projected();
    const without = (event: Event) => (isFilterChanged(event) ? filterEventWithout(event, telling) : event);
    const reread = async (seq: number) => (await stores.personal.filterRows(texts, seq - 1, 1))[0];
    for (let afterSeq = 0; ; ) {
      const rows = await stores.personal.filterRows(texts, afterSeq, rowsARead);
      const removed = new Set<string>();
      const entries = rows.flatMap(({ seq, events }) =>
        events.flatMap((event, index) => {
          if (!isFilterChanged(event)) return [];
          const left = without(event);
          if (left === event) return [];
          if (idTells(idOf(event), telling)) removed.add(idOf(event));
          return { seq: seq + index, details: detailsOf(left as typeof event) };
        }),
      );
      await stores.personal.scrubFilters(entries, [...removed]);
      receipt.journalRows += await rewriter.rewrite(rows, { without, reread, erasure });
      if (rows.length < rowsARead) return;
      afterSeq = rows[rows.length - 1]!.seq;
    }
  }

  async #eraseBulkActions(
    telling: Telling,
    texts: readonly string[],
    touched: readonly string[],
    receipt: TextsReceipt,
  ): Promise<void> {
    const { stores, runner } = this.#c;
    for (let after: string | undefined; ; ) {
      const actions = await stores.bulkActions.telling(texts, touched, actionsARead, after);
      for (const action of actions) {
        const left = bulkActionWithout(action, telling, touched.includes(action.id));
        if (left === action) continue;
        await stores.bulkActions.erase(left);
        runner.erased(left);
        receipt.bulkActions++;
      }
      if (actions.length < actionsARead) return;
      after = actions[actions.length - 1]!.id;
    }
  }
}

function idOf(event: Parameters<typeof filterEventWithout>[0]): string {
  return event.type === 'filterSaved' ? event.filter.id : event.filterId;
}

function detailsOf(event: Parameters<typeof filterEventWithout>[0]): Record<string, unknown> {
  return event.type === 'filterSaved'
    ? { filter: event.filter.id, name: event.filter.name }
    : { filter: event.filterId };
}

/**
 * The action without what tells of the person. What somebody has written for it goes when it reached an item of the
 * person (`touched`) or asked for one; else where it names the person.
 */
function bulkActionWithout(action: BulkAction, telling: Telling, touched: boolean): BulkAction {
  const filter = questionWithout(action.filter, telling);
  const isAsked = JSON.stringify(filter) !== JSON.stringify(action.filter);
  const words = [...telling.subjects, ...telling.values];
  const given = { ...action.arguments };
  for (const name of writtenDetails) {
    const text = given[name];
    if (text !== undefined) given[name] = touched || isAsked ? erased : textWithout(text, words);
  }
  if (!isAsked && JSON.stringify(given) === JSON.stringify(action.arguments)) return action;
  const { key: _key, ...rest } = action;
  return { ...rest, arguments: given, ...(filter !== undefined && { filter }), fingerprint: erasedFingerprint };
}

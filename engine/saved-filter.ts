import { checkContent, pointerKey } from './content.js';
import { isObject } from './draft.js';
import type { Filter } from './filter.js';
import { parseFilter } from './filter-parser.js';
import { parseSort } from './item-sort.js';
import { savedFilterBytesMax, textLengthMax } from './limits.js';
import { type Fault, isRejection } from './rejection.js';
import type { Instant } from './work-item.js';

/** A filter under a name, as somebody saved it. Its id is the tenant's, whoever saved it. */
export interface SavedFilter {
  readonly id: string;
  readonly name: string;
  /** Everybody of the tenant sees it; otherwise only its owner does. */
  readonly shared: boolean;
  /** Name of the caller who saved it first; absent for those that a tenant begins with. */
  readonly owner?: string;
  /** JSON as the client wrote it: it is read anew whenever it is used. */
  readonly filter: object;
  readonly sort?: readonly object[];
}

/** A saved filter as it is in force: its version is the number of the event that saved it, 0 from the beginning on. */
export interface FilterVersion extends SavedFilter {
  readonly version: number;
  readonly at?: Instant;
}

/** What has become of one id: the filter, or null where it was removed. */
export type FilterChange = readonly [id: string, filter: FilterVersion | null];

const idPattern = /^[A-Za-z0-9_.-]{1,64}$/;
const fields = ['id', 'name', 'shared', 'filter', 'sort'];
/** What a GET adds: whoever reads, changes and writes it back need not take it out. */
const answerFields = ['owner', 'version', 'updatedDateTime'];

/** Checks the body of `PUT /settings/filters/{id}`; the owner is for `decide` to say. */
export function checkSavedFilter(id: string, body: unknown): { saved: SavedFilter } | { faults: Fault[] } {
  const content = checkContent(body);
  if ('faults' in content) return content;
  if (!isObject(body)) return { faults: [expected('', 'an object: { "name", "shared", "filter", "sort" }')] };
  const { name, shared = false, filter, sort } = body;
  const faults: Fault[] = idPattern.test(id)
    ? []
    : [expected('/id', 'an id in the path of 1 to 64 letters, digits, or any of _ . -')];
  const unknown: Fault[] = Object.keys(body)
    .filter((field) => !fields.includes(field) && !answerFields.includes(field))
    .map((field) => ({
      pointer: `/${pointerKey(field)}`,
      code: 'unknown-field',
      detail: `known are ${fields.join(', ')}`,
    }));
  faults.push(...unknown);
  if ('id' in body && body.id !== id) faults.push(expected('/id', `the id of the path, ${id}, or none`));
  if (typeof name !== 'string' || name.length === 0 || name.length > textLengthMax) {
    faults.push(expected('/name', `a text of 1 to ${textLengthMax} characters`));
  }
  if (typeof shared !== 'boolean') faults.push(expected('/shared', 'true or false'));
  const parsed = parseFilter(filter, { pointer: '/filter' });
  if (isRejection(parsed)) faults.push(...(parsed.faults ?? []));
  const sorted = sort === undefined || sort === null ? { sort: [] } : parseSort(sort, '/sort');
  if ('faults' in sorted) faults.push(...sorted.faults);
  if (faults.length === 0 && Buffer.byteLength(JSON.stringify([filter, sort])) > savedFilterBytesMax) {
    faults.push({
      pointer: '/filter',
      code: 'too-large',
      detail: `expected at most ${savedFilterBytesMax} bytes of JSON`,
    });
  }
  if (faults.length > 0) return { faults };
  const saved = { id, name, shared, filter, ...(sort ? { sort } : {}) };
  return { saved: saved as SavedFilter };
}

function expected(pointer: string, what: string): Fault {
  return { pointer, code: 'invalid-value', detail: `expected ${what}` };
}

/**
 * A tenant's saved filters: those that every tenant begins with, and over them what its events have changed. Events are
 * applied in their order, and the last one on an id decides: replaying some that are known already changes nothing.
 */
export class SavedFilters {
  readonly #defaults: ReadonlyMap<string, FilterVersion>;
  #changes = new Map<string, FilterVersion | null>();
  /** Parsed when first used. */
  readonly #parsed = new WeakMap<FilterVersion, Filter>();

  constructor(defaults: readonly SavedFilter[]) {
    this.#defaults = new Map(defaults.map((filter) => [filter.id, { ...filter, version: 0 }]));
  }

  /** What differs from the beginning, for snapshots. */
  get changes(): readonly FilterChange[] {
    return [...this.#changes];
  }

  /** Puts everything that was changed in place of what is here. */
  restore(changes: readonly FilterChange[]): void {
    this.#changes = new Map();
    for (const [id, filter] of changes) this.set(id, filter);
  }

  set(id: string, filter: FilterVersion | null): void {
    if (filter === null && !this.#defaults.has(id)) this.#changes.delete(id);
    else this.#changes.set(id, filter);
  }

  get size(): number {
    return this.#all().length;
  }

  /** Whoever it belongs to. */
  find(id: string): FilterVersion | undefined {
    const change = this.#changes.get(id);
    return change === null ? undefined : (change ?? this.#defaults.get(id));
  }

  /** The filter, when this caller may see it. */
  visible(id: string, caller: string | undefined): FilterVersion | undefined {
    const filter = this.find(id);
    return filter !== undefined && isVisible(filter, caller) ? filter : undefined;
  }

  /** Those that this caller may see, by name. */
  list(caller: string | undefined): FilterVersion[] {
    return this.#all()
      .filter((filter) => isVisible(filter, caller))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1));
  }

  countOf(owner: string | undefined): number {
    return this.#all().filter((filter) => filter.owner === owner).length;
  }

  /** The visible filter as a question; undefined too for one that a newer release would read and this one does not. */
  question(id: string, caller: string | undefined): Filter | undefined {
    const saved = this.visible(id, caller);
    if (saved === undefined) return undefined;
    const known = this.#parsed.get(saved);
    if (known !== undefined) return known;
    const filter = parseFilter(saved.filter);
    if (isRejection(filter)) return undefined;
    this.#parsed.set(saved, filter);
    return filter;
  }

  #all(): FilterVersion[] {
    const ids = new Set([...this.#defaults.keys(), ...this.#changes.keys()]);
    return [...ids].flatMap((id) => this.find(id) ?? []);
  }
}

/** What of a filter goes into a file: nothing of whose it is. */
export function portable({ id, name, shared, filter, sort }: SavedFilter): Omit<SavedFilter, 'owner'> {
  return { id, name, shared, filter, ...(sort && { sort }) };
}

function isVisible(filter: SavedFilter, caller: string | undefined): boolean {
  return filter.shared || (filter.owner !== undefined && filter.owner === caller);
}

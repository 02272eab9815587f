import { type Event, isFilterChanged } from '../engine/event.js';
import { subjectIdsOf } from '../engine/personal.js';
import { textsOf, wordsOf } from '../engine/personal-text.js';
import type { LedgerEntry } from './ports/personal-store.js';

/** Texts whose hash is remembered while a restored journal is searched. */
const hashesMax = 100_000;

/**
 * Finds out whom the ledger's entries mean, who are keyed hashes in it: by hashing whatever could be a person's id.
 */
export class LedgerSearch {
  /** Items of each entry's person. */
  readonly items: ReadonlyMap<string, Set<string>>;
  /** Ids of the persons, as far as they were met. */
  readonly subjects = new Set<string>();
  readonly #entriesOf = new Map<string, LedgerEntry[]>();
  readonly #keys: readonly string[];
  readonly #hash: (text: string) => string;
  #hashed = new Map<string, LedgerEntry[]>();

  constructor(entries: readonly LedgerEntry[], keys: readonly string[], hash: (text: string) => string) {
    for (const entry of entries) {
      this.#entriesOf.set(entry.subject, [...(this.#entriesOf.get(entry.subject) ?? []), entry]);
    }
    this.items = new Map(entries.map(({ id }) => [id, new Set()]));
    this.#keys = keys;
    this.#hash = hash;
  }

  event(event: Event): void {
    if (isFilterChanged(event)) this.texts(event.type === 'filterSaved' ? event.filter : event.filterId);
    if (!('item' in event)) return;
    for (const subject of subjectIdsOf(event.item, this.#keys)) {
      for (const { id } of this.#meant(subject)) this.items.get(id)?.add(event.item.id);
    }
  }

  /** Persons who are named in a question or a text. */
  texts(json: unknown): void {
    for (const text of textsOf(json)) for (const word of wordsOf(text)) this.#meant(word);
  }

  #meant(subject: string): LedgerEntry[] {
    const meant = this.#hashed.get(subject) ?? this.#entriesOf.get(this.#hash(subject)) ?? [];
    if (this.#hashed.size > hashesMax) this.#hashed = new Map();
    this.#hashed.set(subject, meant);
    if (meant.length > 0) this.subjects.add(subject);
    return meant;
  }
}

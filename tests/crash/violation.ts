/** What must never be seen, and how a table calls it. Each row is wanted to be 0. */
export const violationNames = {
  'lost-create': 'acknowledged creates lost',
  'lost-change': 'other acknowledged changes lost',
  doubled: 'captureIds, keys or ids used twice',
  'two-owners': 'items given to a second owner',
  'illegal-event': 'events that the item’s state does not allow',
  gap: 'gaps in seq',
  epoch: 'epochs that went back',
  'foreign-answer': 'answers that the journal does not know',
  'faulty-answer': 'answers that nobody should get',
  table: 'rows that differ from the journal',
  linearizability: 'items without a linear order',
  inversion: 'inversions of the order',
  drain: 'last drains that failed',
} as const;

export type ViolationName = keyof typeof violationNames;

const detailsMax = 5;

/** Counts violations; keeps the first few of each kind for people. */
export class Violations {
  readonly #counts = new Map<ViolationName, number>();
  readonly #details = new Map<ViolationName, string[]>();

  add(name: ViolationName, detail: string): void {
    this.#counts.set(name, this.count(name) + 1);
    const details = this.#details.get(name) ?? [];
    if (details.length < detailsMax) this.#details.set(name, [...details, detail]);
  }

  count(name: ViolationName): number {
    return this.#counts.get(name) ?? 0;
  }

  details(name: ViolationName): readonly string[] {
    return this.#details.get(name) ?? [];
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The names that have been seen, for tests. */
  get names(): ViolationName[] {
    return [...this.#counts.keys()];
  }
}

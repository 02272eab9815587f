import type { Event, ItemCreated, ItemMoved } from '../../engine/event.js';
import type { Operation } from './history.js';
import type { ItemState } from './item-model.js';
import { JournalFold, type Row } from './journal-fold.js';
import type { Tables } from './tables.js';
import { type ViolationName, Violations } from './violation.js';

/** What a run left behind, as a copy that may be spoilt. */
export interface Spoilable {
  operations: Operation[];
  journal: Row[];
  tables: Tables;
}

export interface Tampering {
  title: string;
  /** What the checkers must find, among others. */
  found: readonly ViolationName[];
  spoil(evidence: Spoilable): void;
}

/** Violations put by hand into sound evidence: a checker that does not find its own is worth nothing. */
export const tamperings: readonly Tampering[] = [
  {
    title: 'an acknowledged create that the journal does not have',
    found: ['lost-create', 'foreign-answer'],
    spoil: ({ operations }) => {
      const create = must(operations.find(isDone('create')));
      const answer = { ...must(create.answer), id: '00000000-0000-7000-8000-ffffffffffff' } as Operation['answer'];
      operations.push({ ...create, number: -1, captureId: 'lost', key: undefined, answer });
    },
  },
  {
    title: 'a look that does not find an item which was acknowledged before',
    found: ['linearizability'],
    spoil: ({ operations }) => {
      const create = must(operations.find(isDone('create')));
      operations.push(lookAt(create, 1e9, { kind: 'absent' }));
    },
  },
  {
    title: 'a look that shows a state which had been left before',
    found: ['linearizability'],
    spoil: ({ operations, journal }) => {
      const fold = foldOf(journal);
      const create = must(operations.find((one) => isDone('create')(one) && statesOf(fold, one).length > 1));
      const seen = statesOf(fold, create)[0]!;
      operations.push(lookAt(create, 1e9, { kind: 'done', status: 200, replayed: false, id: must(create.id), seen }));
    },
  },
  {
    title: 'an item that two agents were given',
    found: ['linearizability', 'foreign-answer', 'lost-change'],
    spoil: ({ operations }) => {
      const next = must(operations.find(isDone('next')));
      const answer = must(next.answer) as { seen: ItemState };
      const doubled = { ...next, number: -1, client: -1, agent: 'agent-other', key: 'next-other' };
      operations.push({
        ...doubled,
        answer: { ...answer, seen: { ...answer.seen, agent: 'agent-other' } } as Operation['answer'],
      });
    },
  },
  {
    title: 'an answer that nobody should get',
    found: ['faulty-answer'],
    spoil: ({ operations }) => {
      operations[0] = { ...must(operations[0]), answer: { kind: 'faulty', detail: '500' } };
    },
  },
  {
    title: 'a second assignment without a release in between',
    found: ['two-owners'],
    spoil: ({ journal }) => {
      const event = must(eventsOf(journal).find((one) => one.type === 'assigned')) as ItemMoved;
      insertAfter(journal, event, { ...event, key: undefined, version: event.version + 1 });
    },
  },
  {
    title: 'a completion that happens twice',
    found: ['illegal-event'],
    spoil: ({ journal }) => {
      const event = must(eventsOf(journal).find((one) => one.type === 'completed')) as ItemMoved;
      insertAfter(journal, event, { ...event, key: undefined, version: event.version + 1 });
    },
  },
  {
    title: 'a create that happens twice',
    found: ['doubled'],
    spoil: ({ journal }) => {
      const event = must(eventsOf(journal).find((one) => one.type === 'created'));
      append(journal, event);
    },
  },
  {
    title: 'a row of the journal that is lost',
    found: ['gap'],
    spoil: ({ journal }) => {
      journal.splice(Math.floor(journal.length / 2), 1);
    },
  },
  {
    title: 'a row that an owner of old has written',
    found: ['epoch'],
    spoil: ({ journal }) => {
      must(journal.at(-1)).epoch = must(journal[0]).epoch - 1;
    },
  },
  {
    title: 'two decisions in the wrong order',
    found: ['inversion'],
    spoil: ({ journal }) => swapDecisions(journal),
  },
  {
    title: 'a row of the table that is not what the journal says',
    found: ['table'],
    spoil: ({ tables }) => {
      const [id, item] = must([...tables.items][0]);
      tables.items.set(id, { ...item, businessValue: -1 });
    },
  },
  {
    title: 'an item that the table lacks',
    found: ['table'],
    spoil: ({ tables }) => {
      tables.items.delete(must([...tables.items.keys()].at(-1)));
    },
  },
  {
    title: 'a deleted item whose row has come back',
    found: ['table'],
    spoil: ({ journal, tables }) => {
      const { item } = must([...foldOf(journal).deleted.values()][0]);
      tables.items.set(item.id, item);
    },
  },
  {
    title: 'a look that shows a deleted item',
    found: ['linearizability'],
    spoil: ({ operations }) => {
      const gone = must(operations.find(({ action }) => action === 'delete'));
      const before = must(operations.find((one) => one.id === gone.id && one.answer?.kind === 'done'));
      operations.push(lookAt(gone, 1e9, before.answer));
    },
  },
  {
    title: 'a decision that an override was not counted in',
    found: ['inversion'],
    spoil: ({ journal }) => {
      const created = must(waitingAtATake(journal));
      created.item = { ...created.item, override: { priority: 1e6 } };
    },
  },
  {
    title: 'an entry of the history that is missing',
    found: ['table'],
    spoil: ({ tables }) => {
      tables.history.splice(1, 1);
    },
  },
  {
    title: 'a remembered key that names another item',
    found: ['table'],
    spoil: ({ tables }) => {
      tables.keys.set(must([...tables.keys.keys()][0]), null);
    },
  },
];

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the evidence has nothing that could be spoilt like this');
  return value;
}

function isDone(action: Operation['action']): (operation: Operation) => boolean {
  return (operation) => operation.action === action && operation.answer?.kind === 'done';
}

/** A `get` of the created item, that long after everything else. */
function lookAt({ captureId, id }: Operation, at: number, answer: Operation['answer']): Operation {
  const times = { call: at, lastCall: at, ret: at + 1, attempts: 1, doubtful: 0 };
  return { number: -1, client: -1, action: 'get', captureId, id, ...times, answer };
}

function foldOf(journal: readonly Row[]): JournalFold {
  const fold = new JournalFold(new Violations());
  for (const row of journal) fold.add(row);
  return fold;
}

function statesOf(fold: JournalFold, { id }: Operation): readonly ItemState[] {
  return fold.items.get(id ?? '')?.states ?? [];
}

function eventsOf(journal: readonly Row[]): Event[] {
  return journal.flatMap(({ events }) => events);
}

function append(journal: Row[], event: Event): void {
  const { epoch, seq, eventCount } = must(journal.at(-1));
  journal.push({ seq: seq + eventCount, epoch, eventCount: 1, events: [event] });
}

/** Puts an event right after another, in the same row. */
function insertAfter(journal: readonly Row[], event: Event, added: Event): void {
  const row = must(journal.find(({ events }) => events.includes(event)));
  row.events.splice(row.events.indexOf(event) + 1, 0, added);
}

/** The creation of an item that was in the queue, untouched, when a take was given another one. */
function waitingAtATake(journal: readonly Row[]): ItemCreated | undefined {
  const untouched = new Map<string, ItemCreated>();
  for (const event of eventsOf(journal)) {
    const isTake = event.type === 'assigned' && event.key?.fingerprint.startsWith('next:');
    if (isTake) {
      const other = [...untouched.values()].find(({ item }) => item.id !== event.id);
      if (other !== undefined) return other;
    }
    if (event.type === 'created' && event.item.status === 'queued') untouched.set(event.item.id, event);
    else if ('item' in event) untouched.delete(event.item.id);
    else if ('id' in event) untouched.delete(event.id);
  }
  return undefined;
}

/** Exchanges what two takes in a row were given, where both items were in the queue at the first one. */
function swapDecisions(journal: readonly Row[]): void {
  const queuedBefore = new Set<string>();
  let first: ItemMoved | undefined;
  for (const event of eventsOf(journal)) {
    const isTake = event.type === 'assigned' && event.key?.fingerprint.startsWith('next:');
    if (isTake && first !== undefined && queuedBefore.has(event.id)) {
      [first.id, event.id] = [event.id, first.id];
      return;
    }
    first = isTake ? event : undefined;
    if ('item' in event && event.item.status === 'queued') queuedBefore.add(event.item.id);
    else if ('id' in event) queuedBefore.delete(event.id);
  }
  throw new Error('the journal has no two takes in a row');
}

import datastructures from '@datastructures-js/priority-queue';
import FlatQueue from 'flatqueue';
import { Heap } from 'mnemonist';
import sortedBtree from 'sorted-btree';
import TinyQueue from 'tinyqueue';

/** Something that keeps items in order, as the comparison drives it. Each call is one operation; it may be a promise. */
export interface Ordered {
  name: string;
  /** Gives every item the priority of another version of the schema. */
  reorder(round: number): unknown;
  /** Changes the priority of one item that is known by its id. Absent: the structure cannot, or only by looking at all. */
  rekey?(at: number): unknown;
  /** Takes the best item out and puts it back with a lower priority, so that the size stays. */
  takeAndPush?(at: number): unknown;
  close?(): Promise<void>;
}

interface Entry {
  seq: number;
  value: number;
  score: number;
}

/** Best first, and never a tie. */
const byScore = (a: Entry, b: Entry) => b.score - a.score || a.seq - b.seq;

/** Another version of the schema: a weight of the value, and of the age. */
export function scoreOf(seq: number, value: number, round: number): number {
  return value * (1 + (round % 7)) + ((seq * (31 + round)) % 1009);
}

/** Values of so many items, the same in each run. */
export function entries(count: number): Entry[] {
  return Array.from({ length: count }, (_, seq) => {
    const value = Math.imul(seq + 1, 0x9e3779b1) >>> 12;
    return { seq, value, score: scoreOf(seq, value, 0) };
  });
}

/** The heaps of npm that are used most or promise most, on items with ready scores. */
export const heaps: readonly ((count: number) => Ordered)[] = [flatqueue, tinyqueue, mnemonist, priorityQueue, btree];

function rescore(items: readonly Entry[], round: number): void {
  for (const item of items) item.score = scoreOf(item.seq, item.value, round);
}

/** Numbers only, on typed arrays. It has no tie-breaker. */
function flatqueue(count: number): Ordered {
  const items = entries(count);
  const queue = new FlatQueue<number>(count, Float64Array, Uint32Array);
  const reorder = (round: number) => {
    queue.clear();
    for (const { seq, value } of items) queue.push(seq, -scoreOf(seq, value, round));
  };
  reorder(0);
  return {
    name: 'flatqueue',
    reorder,
    takeAndPush(at) {
      queue.push(queue.pop()!, at);
    },
  };
}

function tinyqueue(count: number): Ordered {
  const items = entries(count);
  let queue = new TinyQueue([...items], byScore);
  return {
    name: 'tinyqueue',
    reorder(round) {
      rescore(items, round);
      queue = new TinyQueue([...items], byScore);
    },
    takeAndPush: (at) => putBack(queue.pop()!, at, (item) => queue.push(item)),
  };
}

function mnemonist(count: number): Ordered {
  const items = entries(count);
  let heap = Heap.from(items, byScore);
  return {
    name: 'mnemonist Heap',
    reorder(round) {
      rescore(items, round);
      heap = Heap.from(items, byScore);
    },
    takeAndPush: (at) => putBack(heap.pop()!, at, (item) => heap.push(item)),
  };
}

function priorityQueue(count: number): Ordered {
  const { PriorityQueue } = datastructures;
  const items = entries(count);
  let queue = PriorityQueue.fromArray([...items], byScore);
  return {
    name: '@datastructures-js/priority-queue',
    reorder(round) {
      rescore(items, round);
      queue = PriorityQueue.fromArray([...items], byScore);
    },
    rekey(at) {
      const item = items[(at * 7919) % count]!;
      queue.remove((one) => one === item);
      item.score = scoreOf(item.seq, item.value, at);
      queue.enqueue(item);
    },
    takeAndPush: (at) => putBack(queue.dequeue()!, at, (item) => queue.enqueue(item)),
  };
}

/** A sorted tree: the key must be told as it was, so the item remembers it. */
function btree(count: number): Ordered {
  const { default: BTree } = sortedBtree;
  const items = entries(count);
  const build = () => {
    const pairs = items.map((item): [Entry, undefined] => [{ ...item }, undefined]);
    return new BTree<Entry, undefined>(
      pairs.sort(([a], [b]) => byScore(a, b)),
      byScore,
    );
  };
  let tree = build();
  return {
    name: 'sorted-btree',
    reorder(round) {
      rescore(items, round);
      tree = build();
    },
    rekey(at) {
      const item = items[(at * 7919) % count]!;
      tree.delete({ ...item });
      item.score = scoreOf(item.seq, item.value, at);
      tree.set({ ...item }, undefined);
    },
    takeAndPush(at) {
      const key = tree.minKey()!;
      tree.delete(key);
      const item = items[key.seq]!;
      item.score = -at;
      tree.set({ ...item }, undefined);
    },
  };
}

function putBack(item: Entry, at: number, push: (item: Entry) => unknown): void {
  item.score = -at;
  push(item);
}

import type { CategoryDocument } from '../../engine/category.js';
import type { SchemaDocument } from '../../engine/schema.js';

/** Curves that move within seconds, so that a short run crosses many points and lines cut each other. */
export const schemas: SchemaDocument[] = [
  {
    id: 'rising',
    origin: 'created',
    mode: 'linear',
    points: [
      { offset: 'PT0S', priority: 0 },
      { offset: 'PT2S', priority: 40 },
      { offset: 'PT9S', priority: 400 },
      { offset: 'PT30S', priority: 450 },
    ],
    businessValueWeight: 1,
    segmentWeights: { gold: 30 },
  },
  {
    id: 'deadline',
    origin: 'due',
    mode: 'step',
    points: [
      { offset: '-PT8S', priority: 20 },
      { offset: '-PT3S', priority: 110 },
      { offset: 'PT0S', priority: 300 },
      { offset: 'PT5S', priority: 100 },
    ],
    businessValueWeight: 0.5,
  },
  {
    id: 'waiting',
    origin: 'activation',
    mode: 'linear',
    points: [
      { offset: 'PT0S', priority: 200 },
      { offset: 'PT6S', priority: 50 },
      { offset: 'PT12S', priority: 350 },
    ],
    segmentWeights: { gold: 10, silver: -10 },
  },
];

/** Roots only: the order replay resolves nothing. */
export const categories: CategoryDocument[] = schemas.map(({ id }) => ({
  id: `category-${id}`,
  parent: null,
  name: `Ordered by ${id}`,
  rule: `item.attributes.kind == '${id}'`,
  schema: id,
}));

export interface ItemBody {
  captureId: string;
  businessValue: number;
  customerSegment?: string;
  activationDateTime?: string;
  dueDateTime?: string;
  expirationDateTime?: string;
  attributes: { kind: string; mark: number; note: string };
}

/** Pseudo-random numbers in 0..1 from a seed (mulberry32): the clients' choices can be drawn again. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A new item. Values are few, so that ties are many; some items wait for a time or end at one. */
export function drawItem(random: () => number, captureId: string, mark: number): ItemBody {
  const within = (fromMs: number, toMs: number) =>
    new Date(Date.now() + Math.round(fromMs + random() * (toMs - fromMs))).toISOString();
  const kind = schemas[Math.floor(random() * schemas.length)]!.id;
  const segment = ['gold', 'silver', undefined][Math.floor(random() * 3)];
  return {
    captureId,
    businessValue: Math.floor(random() * 4) * 10,
    ...(segment !== undefined && { customerSegment: segment }),
    ...(random() < 0.05 && { activationDateTime: within(500, 6000) }),
    ...(random() < 0.7 && { dueDateTime: within(-4000, 12_000) }),
    ...(random() < 0.04 && { expirationDateTime: within(1000, 15_000) }),
    attributes: { kind, mark, note: 'a request of somebody in some street about something that is broken' },
  };
}

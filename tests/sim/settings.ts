import type { CategoryDocument } from '../../engine/category.js';
import type { OracleItem } from '../../engine/oracle.js';
import type { SchemaDocument } from '../../engine/schema.js';
import type { WorkItem } from '../../engine/work-item.js';

export const tenantId = 'sim';
/** The wall clock when virtual time begins. */
export const startAt = Date.UTC(2026, 0, 1);

/** Steps and lines of seconds, so that items overtake each other while a simulation runs. */
export const startSchemas: readonly SchemaDocument[] = [
  {
    id: 'lines',
    origin: 'created',
    mode: 'linear',
    points: [
      { offset: 'PT0S', priority: 0 },
      { offset: 'PT5S', priority: 40 },
      { offset: 'PT20S', priority: 400 },
    ],
    businessValueWeight: 1,
    segmentWeights: { gold: 25 },
  },
  {
    id: 'steps',
    origin: 'due',
    mode: 'step',
    points: [
      { offset: '-PT4S', priority: 10 },
      { offset: 'PT0S', priority: 60 },
      { offset: 'PT3S', priority: 200 },
    ],
    businessValueWeight: 0.5,
  },
];

/** What clients publish in turn: the same schemas, weighted otherwise. */
export function schemasOf(version: number): SchemaDocument[] {
  const [lines, steps] = startSchemas;
  return [
    { ...lines, businessValueWeight: version % 3, segmentWeights: { gold: 25 * (version % 4) } },
    { ...steps, businessValueWeight: (version % 2) / 2 },
  ];
}

export const categories: readonly CategoryDocument[] = [
  { id: 'urgent', parent: null, name: 'Urgent', rule: 'item.customerSegment == "gold"', schema: 'steps' },
  { id: 'plain', parent: null, name: 'Plain', rule: 'item.departmentId == "back"' },
  { id: 'general', parent: null, name: 'General', rule: 'true', schema: 'lines' },
];

export function oracleItem(item: WorkItem): OracleItem & { id: string } {
  return { ...item, schema: categories.find(({ id }) => id === item.category)?.schema };
}

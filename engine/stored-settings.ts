import type { CategoryDocument } from './category.js';
import { type CategoryTree, compileCategories } from './category-tree.js';
import type { Calendars } from './clock.js';
import { Prioritization } from './prioritization.js';
import type { SchemaDocument } from './schema.js';
import { checkSchemas } from './schema-check.js';

/**
 * Compiles settings that were checked when they were published. They may name what later ones no longer have: the
 * built-in schema, and the clock of the world, hold then.
 */
export function storedPrioritization(
  schemas: readonly SchemaDocument[],
  calendars: Calendars,
  categories: CategoryTree,
): Prioritization {
  const checked = checkSchemas({ schemas }, idsOf(schemas, 'calendar'));
  if ('faults' in checked) throw new Error(`stored prioritization is faulty: ${JSON.stringify(checked.faults)}`);
  return new Prioritization(checked.documents, calendars, categories.settings);
}

export function storedCategories(categories: readonly CategoryDocument[]): CategoryTree {
  const compiled = compileCategories({ categories }, idsOf(categories, 'schema'), idsOf(categories, 'calendar'));
  if ('faults' in compiled) throw new Error(`stored categories are faulty: ${JSON.stringify(compiled.faults)}`);
  return compiled.tree;
}

function idsOf<N extends string>(documents: readonly { [K in N]?: string }[], name: N): ReadonlySet<string> {
  return new Set(documents.flatMap((document) => document[name] ?? []));
}

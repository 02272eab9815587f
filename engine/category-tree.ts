import type { CategoryDocument } from './category.js';
import type { ClockSettings } from './clock.js';
import { checkContent, pointerKey, shown } from './content.js';
import { isObject } from './draft.js';
import { parseDuration } from './duration.js';
import { categoriesMax, categoryDepthMax, faultsMax, personalPathsMax, textLengthMax } from './limits.js';
import { nearest } from './nearest.js';
import { isAttributePath, isSubjectKey, type Personal, subjectKeyDefault } from './personal.js';
import type { Fault, RejectionCode } from './rejection.js';
import { compileRule, Rule, type RuleView, viewOf } from './rule.js';
import type { Draft } from './work-item.js';

/** What holds for items of a category: its own word, or that of the nearest ancestor that says something. */
export interface CategorySettings extends ClockSettings {
  /** Id of the prioritization schema; undefined: the built-in one. */
  readonly schema?: string;
  readonly slaMs?: number;
  readonly retentionMs?: number;
  readonly dueAfterMs?: number;
}

/**
 * A part of the tree in which one retention holds: the category at `path` and all below it, whether they still exist or
 * not, but for those in and below `except`, where another one holds.
 */
export interface RetainedPart {
  readonly path: string;
  readonly retentionMs: number;
  readonly except: readonly string[];
}

export type Verdict = { path: string; rule: string } | { error: string };

interface Category extends CategorySettings {
  id: string;
  path: string;
  rule?: Rule;
  children: Category[];
}

/** A tenant's categories, compiled: immutable, replaced as a whole. */
export class CategoryTree {
  /** As the client wrote them. */
  readonly documents: readonly CategoryDocument[];
  /**
   * What counts as personal in every item of the tenant, whatever its category: an item may have been in another one
   * when it was written to the journal, and an errorheld one is in none.
   */
  readonly personal: Personal;
  /** Where items are deleted some time after their end. */
  readonly retained: readonly RetainedPart[];
  readonly #roots: readonly Category[];
  readonly #byPath = new Map<string, Category>();
  readonly #readsAttributes: boolean;

  constructor(documents: readonly CategoryDocument[], roots: readonly Category[]) {
    this.documents = documents;
    this.personal = personalOf(documents);
    this.#roots = roots;
    this.#index(roots);
    this.retained = retainedParts(roots, undefined);
    this.#readsAttributes = [...this.#byPath.values()].some((category) => category.rule?.readsAttributes);
  }

  get paths(): string[] {
    return [...this.#byPath.keys()];
  }

  /** What holds in each category. */
  get settings(): readonly CategorySettings[] {
    return [...this.#byPath.values()];
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /**
   * Asks the rules: among siblings the first in document order that is true, then its children, as deep as one matches.
   * A category without a rule is reached only when a source names it. A rule without an answer (a missing key, say)
   * ends the search with an error that names it: passing over it would be a guess.
   */
  classify(draft: Draft, parsed?: object): Verdict {
    const view = viewOf(draft, this.#readsAttributes, parsed);
    let found: Category | undefined;
    let level = this.#roots;
    try {
      for (let hit = firstMatch(level, view); hit !== undefined; hit = firstMatch(level, view)) {
        found = hit;
        level = hit.children;
      }
    } catch (error) {
      return { error: (error as Error).message };
    }
    return found === undefined ? { error: 'no category rule matches' } : { path: found.path, rule: found.id };
  }

  /** Settings of the category at `path`, or of its nearest ancestor that still exists. */
  resolve(path: string): CategorySettings {
    for (let known = path; known !== ''; known = known.slice(0, Math.max(0, known.lastIndexOf('/')))) {
      const category = this.#byPath.get(known);
      if (category !== undefined) return category;
    }
    return {};
  }

  #index(level: readonly Category[]) {
    for (const category of level) {
      this.#byPath.set(category.path, category);
      this.#index(category.children);
    }
  }
}

function personalOf(documents: readonly CategoryDocument[]): Personal {
  const keys = new Set([subjectKeyDefault, ...documents.flatMap(({ subjectKeys }) => subjectKeys ?? [])]);
  return { keys: [...keys], paths: [...new Set(documents.flatMap(({ pii }) => pii ?? []))] };
}

/** The parts below a category in which another retention holds than in itself. */
function retainedParts(
  level: readonly Category[],
  above: { retentionMs: number; except: string[] } | undefined,
): RetainedPart[] {
  return level.flatMap(({ path, retentionMs, children }) => {
    if (retentionMs === undefined || retentionMs === above?.retentionMs) return retainedParts(children, above);
    above?.except.push(path);
    const part = { path, retentionMs, except: [] };
    return [part, ...retainedParts(children, part)];
  });
}

function firstMatch(level: readonly Category[], view: RuleView): Category | undefined {
  for (const category of level) {
    try {
      if (category.rule?.matches(view)) return category;
    } catch (error) {
      throw new Error(`the rule of category ${category.path} failed: ${(error as Error).message}`);
    }
  }
  return undefined;
}

const idPattern = /^[A-Za-z0-9_.-]{1,64}$/;
const required = ['id', 'parent', 'name'] as const;
const known = [
  ...required,
  'rule',
  'schema',
  'sla',
  'retention',
  'defaults',
  'pii',
  'subjectKeys',
  'calendar',
  'clockStopsWhileHeld',
];

/**
 * Compiles the body of `PUT /settings/categories`, `{ "categories": [...] }`: the tree, or every fault with its pointer.
 * `knownSchemas` and `knownCalendars` are the ids that a category may name.
 */
export function compileCategories(
  body: unknown,
  knownSchemas: ReadonlySet<string>,
  knownCalendars: ReadonlySet<string>,
): { tree: CategoryTree } | { faults: Fault[] } {
  const content = checkContent(body);
  if ('faults' in content) return content;
  const check = new CategoryCheck(knownSchemas, knownCalendars);
  const documents = check.documents(body);
  const compiled = documents.map((document, index) => check.category(document, index));
  if (check.faults.length === 0) check.ancestry(documents);
  if (check.faults.length > 0) return { faults: check.faults };
  return { tree: new CategoryTree(documents, planted(documents, compiled)) };
}

/** Compiled category without its place in the tree. */
type Seed = Pick<Category, 'rule'> & CategorySettings;

/** One check of one document; gathers the faults. */
class CategoryCheck {
  readonly faults: Fault[] = [];
  readonly #knownSchemas: ReadonlySet<string>;
  readonly #knownCalendars: ReadonlySet<string>;
  readonly #ids = new Set<string>();

  constructor(knownSchemas: ReadonlySet<string>, knownCalendars: ReadonlySet<string>) {
    this.#knownSchemas = knownSchemas;
    this.#knownCalendars = knownCalendars;
  }

  /** The list of categories in the body, empty when there is none. */
  documents(body: unknown): CategoryDocument[] {
    if (!isObject(body) || !Array.isArray(body.categories)) {
      this.#add('/categories', 'invalid-value', 'expected { "categories": [ ... ] }');
      return [];
    }
    this.#unknown('', body, ['categories']);
    if (body.categories.length > categoriesMax) {
      this.#add('/categories', 'too-large', `expected at most ${categoriesMax} categories`);
      return [];
    }
    return body.categories;
  }

  category(document: unknown, index: number): Seed {
    if (this.faults.length >= faultsMax) return {};
    const at = `/categories/${index}`;
    if (!isObject(document)) {
      this.#add(at, 'invalid-value', 'expected an object: one category');
      return {};
    }
    this.#unknown(at, document, known);
    for (const name of required) {
      if (!Object.hasOwn(document, name)) this.#add(`${at}/${name}`, 'missing-field', `${name} is required`);
    }
    this.#identity(at, document);
    this.#list(`${at}/pii`, document.pii, isAttributePath, 'a path into the attributes such as "address.street"');
    const key = 'a field such as "customerId", or a path such as "attributes.customer.email"';
    this.#list(`${at}/subjectKeys`, document.subjectKeys, isSubjectKey, key);
    return {
      rule: this.#rule(`${at}/rule`, document.rule),
      schema: this.#named(`${at}/schema`, document.schema, this.#knownSchemas, 'prioritization schema'),
      calendar: this.#named(`${at}/calendar`, document.calendar, this.#knownCalendars, 'business calendar'),
      clockStopsWhileHeld: this.#switch(`${at}/clockStopsWhileHeld`, document.clockStopsWhileHeld),
      slaMs: this.#duration(`${at}/sla`, document.sla),
      retentionMs: this.#duration(`${at}/retention`, document.retention),
      dueAfterMs: this.#dueAfter(`${at}/defaults`, document.defaults),
    };
  }

  /** Every parent is a category of this document, and the way up ends, within the depth allowed. */
  ancestry(documents: readonly CategoryDocument[]): void {
    const parents = new Map(documents.map(({ id, parent }) => [id, parent]));
    for (const [index, { parent }] of documents.entries()) {
      const at = `/categories/${index}/parent`;
      if (parent !== null && !parents.has(parent)) {
        this.#add(at, 'invalid-value', `there is no category ${JSON.stringify(shown(parent))} in this document`);
        continue;
      }
      let depth = 1;
      for (let above = parent; above && depth <= documents.length; above = parents.get(above) ?? null) depth++;
      if (depth > documents.length) this.#add(at, 'invalid-value', 'the way up leads round in a circle');
      else if (depth > categoryDepthMax) {
        this.#add(at, 'invalid-value', `expected at most ${categoryDepthMax} levels, this is level ${depth}`);
      }
    }
  }

  #identity(at: string, document: Record<string, unknown>) {
    const { id, parent, name } = document;
    if (id !== undefined) {
      if (typeof id !== 'string' || !idPattern.test(id)) {
        this.#add(`${at}/id`, 'invalid-value', 'expected 1 to 64 letters, digits, _ . or -');
      } else if (this.#ids.has(id)) this.#add(`${at}/id`, 'invalid-value', `the id ${id} is taken by a category above`);
      else this.#ids.add(id);
    }
    if (parent !== undefined && parent !== null && typeof parent !== 'string') {
      this.#add(`${at}/parent`, 'invalid-value', 'expected the id of a category, or null');
    }
    if (name !== undefined && !(typeof name === 'string' && name.length > 0 && name.length <= textLengthMax)) {
      this.#add(`${at}/name`, 'invalid-value', `expected a text of 1 to ${textLengthMax} characters`);
    }
  }

  #rule(pointer: string, text: unknown): Rule | undefined {
    if (text === undefined) return undefined;
    const rule = typeof text === 'string' ? compileRule(text) : { error: 'expected a CEL expression as text' };
    if (rule instanceof Rule) return rule;
    this.#add(pointer, 'invalid-value', rule.error);
    return undefined;
  }

  #named(pointer: string, id: unknown, known: ReadonlySet<string>, what: string): string | undefined {
    if (id === undefined || (typeof id === 'string' && known.has(id))) return id;
    const near = typeof id === 'string' ? nearest(id, known) : undefined;
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    this.#add(pointer, 'invalid-value', `expected the id of a ${what}${hint}`);
    return undefined;
  }

  #switch(pointer: string, value: unknown): boolean | undefined {
    if (value === undefined || typeof value === 'boolean') return value;
    this.#add(pointer, 'invalid-value', 'expected true or false');
    return undefined;
  }

  #list(pointer: string, list: unknown, isFine: (entry: unknown) => boolean, expected: string) {
    if (list === undefined) return;
    if (!Array.isArray(list) || list.length > personalPathsMax) {
      this.#add(pointer, 'invalid-value', `expected a list of at most ${personalPathsMax} entries`);
      return;
    }
    list.forEach((entry, index) => {
      if (!isFine(entry)) this.#add(`${pointer}/${index}`, 'invalid-value', `expected ${expected}`);
    });
  }

  #dueAfter(pointer: string, defaults: unknown): number | undefined {
    if (defaults === undefined) return undefined;
    if (!isObject(defaults)) {
      this.#add(pointer, 'invalid-value', 'expected an object such as { "dueAfter": "PT8H" }');
      return undefined;
    }
    this.#unknown(pointer, defaults, ['dueAfter']);
    return this.#duration(`${pointer}/dueAfter`, defaults.dueAfter);
  }

  #duration(pointer: string, text: unknown): number | undefined {
    if (text === undefined) return undefined;
    const ms = typeof text === 'string' ? parseDuration(text) : undefined;
    if (ms !== undefined && ms > 0) return ms;
    this.#add(pointer, 'invalid-value', 'expected an ISO 8601 duration above zero, without years or months, e.g. PT8H');
    return undefined;
  }

  #unknown(at: string, object: Record<string, unknown>, names: readonly string[]) {
    for (const key of Object.keys(object)) {
      if (names.includes(key) || this.faults.length >= faultsMax) continue;
      const near = nearest(key, names);
      const hint = near === undefined ? `known here: ${names.join(', ')}` : `did you mean ${near}?`;
      this.#add(
        `${at}/${pointerKey(key)}`,
        'unknown-field',
        `${JSON.stringify(shown(key))} is not known here; ${hint}`,
      );
    }
  }

  #add(pointer: string, code: RejectionCode, detail: string) {
    if (this.faults.length < faultsMax) this.faults.push({ pointer, code, detail });
  }
}

/** Puts checked categories in their places; settings come down from the parent where a category is silent. */
function planted(documents: readonly CategoryDocument[], seeds: readonly Seed[]): Category[] {
  const childrenOf = new Map<string | null, number[]>();
  documents.forEach(({ parent }, index) => {
    const siblings = childrenOf.get(parent);
    if (siblings === undefined) childrenOf.set(parent, [index]);
    else siblings.push(index);
  });
  const grow = (parent: string | null, above: Category | undefined): Category[] =>
    (childrenOf.get(parent) ?? []).map((index) => {
      const { id } = documents[index]!;
      const seed = seeds[index]!;
      const category: Category = {
        id,
        path: above === undefined ? id : `${above.path}/${id}`,
        rule: seed.rule,
        schema: seed.schema ?? above?.schema,
        slaMs: seed.slaMs ?? above?.slaMs,
        retentionMs: seed.retentionMs ?? above?.retentionMs,
        dueAfterMs: seed.dueAfterMs ?? above?.dueAfterMs,
        calendar: seed.calendar ?? above?.calendar,
        clockStopsWhileHeld: seed.clockStopsWhileHeld ?? above?.clockStopsWhileHeld,
        children: [],
      };
      category.children = grow(id, category);
      return category;
    });
  return grow(null, undefined);
}

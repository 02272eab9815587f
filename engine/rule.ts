import { Environment } from '@marcbachmann/cel-js';
import { ruleLengthMax } from './limits.js';
import { workOf } from './rule-work.js';
import { type Draft, plainTexts } from './work-item.js';

/**
 * Rules are CEL expressions over one variable, `item`: a draft's fields, those that were not given absent (so that
 * `has(item.channel)` works), times as CEL timestamps, `attributes` as the JSON that it is. Numbers of JSON are CEL
 * doubles; they mix with int literals. A missing key is an error, not false: we never guess.
 *
 * Whoever writes a rule is not trusted with the shard's time, and whoever sends an item neither. The language is
 * therefore cut down to what takes a bounded number of passes over the item (`rule-work.ts`). An item so large that the
 * passes would take too long is an error.
 */
const limits = { maxAstNodes: 500, maxDepth: 32, maxListElements: 250, maxMapEntries: 16, maxCallArguments: 3 };

/**
 * Passes x characters of an item that one rule may take: with 64 KB of attributes 4 passes, with 15 KB 19. The slowest
 * rules and attributes that we could think of then took 4.4 ms when run for the first time, 1.8 ms after that.
 */
const workMax = 300_000;
/** Characters that the fields beside the attributes may add to one pass. */
const textCharacters = 512;

const textType = 'string';
const timeType = 'google.protobuf.Timestamp';

/** The variable's value. A class of its own, because CEL finds the declared fields by the constructor. */
class RuleItem {
  [field: string]: unknown;
}

const fields: Record<string, string> = {
  ...Object.fromEntries(plainTexts.map((name) => [name, textType])),
  captureId: textType,
  customerSegment: textType,
  departmentId: textType,
  processId: textType,
  businessValue: 'double',
  sourceVersion: 'double',
  createdDateTime: timeType,
  activationDateTime: timeType,
  dueDateTime: timeType,
  expirationDateTime: timeType,
  sourceCreatedDateTime: timeType,
  sourceDueDateTime: timeType,
  sourceFirstCreatedDateTime: timeType,
  sourceUpdatedDateTime: timeType,
  attributes: 'map<string, dyn>',
};

const environment = new Environment({ limits, homogeneousAggregateLiterals: false })
  .registerType('Item', { ctor: RuleItem, fields })
  .registerVariable('item', 'Item');

const arithmetic: Record<string, (left: number, right: number) => number> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
};
for (const [operator, compute] of Object.entries(arithmetic)) {
  // CEL's ints are BigInts; `item.businessValue * 2` must work all the same.
  const mixed = (left: number | bigint, right: number | bigint) => compute(Number(left), Number(right));
  environment.registerOperator(`int ${operator} double: double`, mixed);
  environment.registerOperator(`double ${operator} int: double`, mixed);
}

// Registers `double == int` and both `!=` too. `in` cannot be mixed likewise: `item.businessValue in [7.0, 8.0]`.
environment.registerOperator('int == double', (left: bigint, right: number) => Number(left) === right);

/** A compiled rule. */
export class Rule {
  /** Whether the rule looks at the attributes, so that they need to be parsed. */
  readonly readsAttributes: boolean;
  readonly #evaluate: (context: { item: RuleItem }) => unknown;
  readonly #passes: number;

  constructor(text: string, evaluate: (context: { item: RuleItem }) => unknown, passes: number) {
    this.readsAttributes = text.includes('attributes');
    this.#evaluate = evaluate;
    this.#passes = passes;
  }

  /** Whether the rule is true of the item. Throws an Error with one sentence when it has no answer. */
  matches(view: RuleView): boolean {
    if (this.#passes * view.characters > workMax) throw new Error('the rule takes too much work on an item this large');
    let result: unknown;
    try {
      result = this.#evaluate(view);
    } catch (error) {
      throw new Error(sentenceOf(error));
    }
    if (typeof result !== 'boolean') throw new Error('the rule is neither true nor false for this item');
    return result;
  }
}

/** An item as rules see it. Made once for all the rules that are asked about it. */
export interface RuleView {
  item: RuleItem;
  characters: number;
}

const timeSuffix = 'DateTime';

/** @param parsed the draft's attributes as they were parsed, if they are at hand: it may be changed. */
export function viewOf(draft: Draft, withAttributes: boolean, parsed?: object): RuleView {
  const item = new RuleItem();
  for (const [name, value] of Object.entries(draft)) {
    if (value !== undefined && name !== 'attributes') {
      item[name] = typeof value === 'number' && name.endsWith(timeSuffix) ? new Date(value) : value;
    }
  }
  item.attributes = withAttributes ? attributesOf(draft.attributes, parsed) : {};
  return { item, characters: draft.attributes.length + textCharacters };
}

/** Below this many characters no object is wide enough to matter. */
const smallCharacters = 4096;
const wideKeys = 32;

/**
 * The attributes as CEL values. The library takes an object's `constructor` property for its class, and walks all keys
 * of an object to learn its type, at every comparison: where that is a key of the data, or the object is wide, a Map.
 */
function attributesOf(text: string, parsed: object | undefined): unknown {
  const value: unknown = parsed ?? JSON.parse(text);
  return text.length > smallCharacters || text.includes('"constructor":') ? withMaps(value) : value;
}

/** Changes the value in place, which is ours: most values need no change and are not copied. */
function withMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (typeof value[i] === 'object') value[i] = withMaps(value[i]);
    }
    return value;
  }
  const object = value as Record<string, unknown>;
  let keyCount = 0;
  for (const key in object) {
    keyCount++;
    if (typeof object[key] === 'object') object[key] = withMaps(object[key]);
  }
  return keyCount > wideKeys || Object.hasOwn(object, 'constructor') ? new Map(Object.entries(object)) : object;
}

/** Rules of the latest settings of a few tenants: a settings document is compiled when checked and again when applied. */
const compiledMax = 10_000;
const compiled = new Map<string, Rule>();

/** Compiles and checks a rule: syntax, types, the cut-down language, and that it answers true or false. */
export function compileRule(text: string): Rule | { error: string } {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const rule = compileNew(text);
  if ('error' in rule) return rule;
  if (compiled.size >= compiledMax) compiled.clear();
  compiled.set(text, rule);
  return rule;
}

function compileNew(text: string): Rule | { error: string } {
  if (text.length > ruleLengthMax) return { error: `expected at most ${ruleLengthMax} characters` };
  try {
    const parsed = environment.parse(text);
    const { passes } = workOf(parsed.ast, fields);
    const checked = parsed.check();
    if (!checked.valid) return { error: sentenceOf(checked.error) };
    if (checked.type !== 'bool' && checked.type !== 'dyn') {
      return { error: `expected a rule that is true or false, this one is of type ${checked.type}` };
    }
    return new Rule(text, parsed, passes);
  } catch (error) {
    return { error: sentenceOf(error) };
  }
}

/** CEL's own message on one line, with the place when there is one. */
function sentenceOf(error: unknown): string {
  const { summary, range, message } = error as Error & { summary?: string; range?: { start: number } };
  const place = range === undefined ? '' : ` at character ${range.start}`;
  // The library repeats values of the item; half a character left by the cut could not be stored.
  return `${(summary ?? message).slice(0, 300).replace(/\p{Surrogate}/gu, '')}${place}`;
}

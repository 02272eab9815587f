import type { ASTNode } from '@marcbachmann/cel-js';
import { nearest } from './nearest.js';

/**
 * What evaluating a rule costs at most, found out when it is saved, and the refusal of what has no good bound:
 * - loops (the macros all, exists, map, ...), matches() (V8's regular expressions are exponential), split, bytes, ...
 * - `duration()` of a computed text: the library's parser takes cubic time on digits.
 * - `contains()` of a computed or long text: V8's search is quadratic; measured 21 ms for 8 KB in 32 KB.
 * - comparing or looking up values of unknown type: a map `in` a list of maps took 2.6 s with 64 KB of attributes. One
 *   side must be plain: a literal, a field of a simple type, a number, a time, or wrapped as string(...).
 */
export interface Work {
  /** Passes over the item's characters. */
  passes: number;
  /** How many times the item's size the value may have. */
  size: number;
  /** Surely no list and no map. */
  plain: boolean;
}

const patternLengthMax = 100;
/** Functions and methods that look at each character of what they are given. */
const reading = new Set(['size', 'int', 'double', 'bool', 'contains', 'lowerAscii', 'upperAscii', 'trim']);
const texts = new Set(['has', 'string', 'type', 'timestamp', 'duration', 'startsWith', 'endsWith']);
const clocks = new Set([
  ...['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek'],
  ...['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'],
]);
/** Nodes whose value may be as large as what it is made of; the others give a truth, a number or a time. */
const sizable = new Set(['id', '.', '[]', '?:', 'list', '+', 'string', 'lowerAscii', 'upperAscii', 'trim']);

/**
 * Adds up the work of a rule over a variable `item` with these fields (name -> CEL type). Throws an Error with one
 * sentence for what rules may not contain. Visits each node once.
 */
export function workOf(node: ASTNode, fields: Readonly<Record<string, string>>): Work {
  const parts = partsOf(node).map((part) => workOf(part, fields));
  const name = node.op === 'call' || node.op === 'rcall' ? node.args[0] : node.op;
  const size = isItem(node) ? 1 : sum(parts, 'size');
  return {
    passes: sum(parts, 'passes') + ownPasses(node, name, parts) * size,
    size: sizable.has(name) ? size : 0,
    plain: isPlain(node, parts, fields),
  };
}

function isItem(node: ASTNode): boolean {
  return node.op === 'id' && node.args === 'item';
}

function sum(parts: readonly Work[], field: 'passes' | 'size'): number {
  return parts.reduce((total, part) => total + part[field], 0);
}

function partsOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
      return [node.args[0]];
    case '!_':
    case '-_':
      return [node.args];
    case 'call':
      return allowed(node, node.args[0], node.args[1]);
    case 'rcall':
      return allowed(node, node.args[0], [node.args[1], ...node.args[2]]);
    case 'map':
    case '.?':
    case '[?]':
      throw refused(node, 'map literals and optional fields are not allowed in rules');
    default:
      // Anything but the known operators would be a list of something else; `workOf` must never guess.
      if (!operators.has(node.op))
        throw refused(node, 'loops (all, exists, map, filter, ...) are not allowed in rules');
      return node.args;
  }
}

const operators: ReadonlySet<string> = new Set([
  ...['list', '[]', '?:', '&&', '||', 'in', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'],
]);
const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);

function allowed(node: ASTNode, name: string, args: readonly ASTNode[]): readonly ASTNode[] {
  const literal = args.at(-1)?.op === 'value' ? args.at(-1)!.args : undefined;
  if (name === 'matches') throw refused(node, 'matches() is not allowed: use startsWith, endsWith, contains or in');
  if (name === 'duration' && literal === undefined) throw refused(node, 'duration() takes a literal such as "8h"');
  if (name === 'contains' && !(typeof literal === 'string' && literal.length <= patternLengthMax)) {
    throw refused(node, `contains() takes a literal of at most ${patternLengthMax} characters`);
  }
  if (clocks.has(name) && args.length > 1 && !isTimeZone(literal)) {
    throw refused(node, `${name}() takes a literal time zone such as "Europe/Berlin"`);
  }
  if (!reading.has(name) && !texts.has(name) && !clocks.has(name)) {
    throw refused(node, `${name}() is not allowed in rules`);
  }
  return args;
}

/** Also makes the process load the zone now: the first use of one took 30 ms, later ones 0.05 ms. */
function isTimeZone(name: unknown): boolean {
  if (typeof name !== 'string') return false;
  try {
    return new Date(0).toLocaleString('en-US', { timeZone: name }) !== '';
  } catch {
    return false;
  }
}

/** Passes over its operands that a node makes itself. */
function ownPasses(node: ASTNode, name: string, parts: readonly Work[]): number {
  const [left, right] = parts;
  if (comparisons.has(name)) {
    if (!parts.some((part) => part.plain || part.size === 0)) throw refused(node, unknownTypes(name));
    // With a literal on one side the comparison ends where the literal does.
    return left!.size > 0 && right!.size > 0 ? 1 : 0;
  }
  if (name === 'in') {
    if (!left!.plain && right!.size > 0) throw refused(node, unknownTypes(name));
    return right!.size > 0 ? 1 : 0;
  }
  if (name === '+') {
    if (!left!.plain && !right!.plain) throw refused(node, unknownTypes(name));
    return 1;
  }
  return reading.has(name) || (texts.has(name) && parts.length > 1 && right!.size > 0) ? 1 : 0;
}

function unknownTypes(operator: string): string {
  return `${operator} needs a side whose type is known: wrap it as string(...) or double(...)`;
}

function isPlain(node: ASTNode, parts: readonly Work[], fields: Readonly<Record<string, string>>): boolean {
  switch (node.op) {
    case '[]':
      // The name must stand in the rule as it is: by it we know the type, and whether the attributes are read.
      if (isItem(node.args[0])) throw refused(node, 'write item.name instead of item["name"]');
      return false;
    case 'id':
    case 'list':
      return false;
    case '.':
      return isItem(node.args[0]) && isPlainField(node, node.args[1], fields);
    case '?:':
      return parts[1]!.plain && parts[2]!.plain;
    default:
      return true;
  }
}

/** `has(item.chanel)` would be false for ever, so an unknown field is refused wherever it stands. */
function isPlainField(node: ASTNode, name: string, fields: Readonly<Record<string, string>>): boolean {
  if (!Object.hasOwn(fields, name)) {
    const known = nearest(name, Object.keys(fields));
    const hint = known === undefined ? 'free fields are under item.attributes' : `did you mean ${known}?`;
    throw refused(node, `item.${name} is not known to rules; ${hint}`);
  }
  return !fields[name]!.startsWith('map');
}

function refused(node: ASTNode, message: string): Error {
  return new Error(`${message}, at character ${node.range.start}`);
}

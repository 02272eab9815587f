import { checkContent, faultsMax, pointerKey, refusal, shown } from './content.js';
import { isObject } from './draft.js';
import type { Filter } from './filter.js';
import { parseFilter } from './filter-parser.js';
import { parseInstant } from './instant.js';
import { bulkActionIdsMax, overrideMax, reasonLengthMax, textLengthMax } from './limits.js';
import { nearest } from './nearest.js';
import { type Fault, isRejection, type Rejection, type RejectionCode } from './rejection.js';
import { parseUuid } from './uuid.js';
import type { Instant } from './work-item.js';

/** What may be done to many items at once: commands of one item, by their names. */
export const bulkActionNames = [
  'hold',
  'resume',
  'cancel',
  'complete',
  'restart',
  'reprioritize',
  'move',
  'assign',
  'delete',
] as const;

export type BulkActionName = (typeof bulkActionNames)[number];

/** As each item's own command takes them; times are ISO 8601 text. */
export interface BulkArguments {
  reason?: string;
  resultCode?: string;
  agentId?: string;
  priority?: number | null;
  until?: string;
  category?: string;
}

/** What a client asks: the items by their ids, each once, or by a filter. */
export interface BulkActionDraft {
  action: BulkActionName;
  ids?: string[];
  filter?: Filter;
  /** The filter as it was written. */
  written?: unknown;
  arguments: BulkArguments;
  dryRun: boolean;
  /** Of everything that was asked: the same request has the same. */
  fingerprint: string;
}

export interface BulkReading {
  now: Instant;
  hasCategory: (path: string) => boolean;
  saved?: (id: string) => Filter | undefined;
}

type ArgumentName = keyof BulkArguments;

/** The arguments of each action, those that it cannot do without marked. */
const takes: Record<BulkActionName, Partial<Record<ArgumentName, 'needed' | 'optional'>>> = {
  hold: { reason: 'optional' },
  resume: {},
  cancel: { reason: 'optional', resultCode: 'optional' },
  complete: { reason: 'optional', resultCode: 'optional' },
  restart: {},
  reprioritize: { priority: 'needed', until: 'optional', reason: 'optional' },
  move: { category: 'needed' },
  assign: { agentId: 'needed' },
  delete: {},
};

const names = ['action', 'ids', 'filter', 'arguments', 'dryRun'] as const;

/** Reads the body of `POST /bulk-actions`, or says everything that is wrong with it, each fault with its pointer. */
export function parseBulkAction(body: unknown, reading: BulkReading): BulkActionDraft | Rejection {
  const checked = checkContent(body);
  if ('faults' in checked) return refusal(checked.faults);
  const check = new BulkCheck(reading);
  const draft = check.read(body, checked.hash);
  return draft === undefined || check.faults.length > 0 ? refusal(check.faults) : draft;
}

/** One check of one body; gathers the faults. */
class BulkCheck {
  readonly faults: Fault[] = [];
  readonly #reading: BulkReading;

  constructor(reading: BulkReading) {
    this.#reading = reading;
  }

  read(body: unknown, fingerprint: string): BulkActionDraft | undefined {
    if (!isObject(body)) {
      this.#add('', 'invalid-value', 'expected a JSON object such as { "action": "hold", "ids": [...] }');
      return undefined;
    }
    this.#unknown('', body, names);
    const action = this.#action(body.action);
    const { dryRun = false } = body;
    if (typeof dryRun !== 'boolean') this.#add('/dryRun', 'invalid-value', 'expected true or false');
    if ((body.ids === undefined) === (body.filter === undefined)) {
      this.#add('/ids', 'missing-field', 'expected either ids or a filter');
    }
    const ids = body.ids === undefined ? undefined : this.#ids(body.ids);
    const filter = body.filter === undefined ? undefined : this.#filter(body.filter);
    const given = action === undefined ? {} : this.#arguments(action, body.arguments ?? {});
    if (action === undefined) return undefined;
    const items = { ...(ids && { ids }), ...(filter && { filter, written: body.filter }) };
    return { action, ...items, arguments: given, dryRun: dryRun === true, fingerprint };
  }

  #action(action: unknown): BulkActionName | undefined {
    if ((bulkActionNames as readonly unknown[]).includes(action)) return action as BulkActionName;
    const code = action === undefined ? 'missing-field' : 'invalid-value';
    this.#add('/action', code, `expected one of ${bulkActionNames.join(', ')}`);
    return undefined;
  }

  #ids(ids: unknown): string[] | undefined {
    if (!Array.isArray(ids) || ids.length === 0 || ids.length > bulkActionIdsMax) {
      const code = Array.isArray(ids) && ids.length > 0 ? 'too-large' : 'invalid-value';
      this.#add('/ids', code, `expected a list of 1 to ${bulkActionIdsMax} ids; a filter may match more`);
      return undefined;
    }
    const words = new Uint32Array(4);
    const distinct = new Set<string>();
    ids.forEach((id, index) => {
      if (typeof id === 'string' && parseUuid(id.toLowerCase(), words)) distinct.add(id.toLowerCase());
      else this.#add(`/ids/${index}`, 'invalid-value', 'expected the id of a work item');
    });
    return [...distinct];
  }

  #filter(json: unknown): Filter | undefined {
    const { saved } = this.#reading;
    const filter = parseFilter(json, { pointer: '/filter', ...(saved && { saved }) });
    if (!isRejection(filter)) return filter;
    for (const { pointer, code, detail } of filter.faults ?? []) this.#add(pointer, code, detail);
    return undefined;
  }

  #arguments(action: BulkActionName, given: unknown): BulkArguments {
    if (!isObject(given)) {
      this.#add('/arguments', 'invalid-value', 'expected an object');
      return {};
    }
    const wanted = takes[action];
    this.#unknown('/arguments', given, Object.keys(wanted));
    for (const [name, need] of Object.entries(wanted)) {
      if (need === 'needed' && given[name] === undefined) {
        this.#add(`/arguments/${name}`, 'missing-field', `${action} needs ${name}`);
      }
    }
    const read: Record<string, unknown> = {};
    for (const name of Object.keys(wanted) as ArgumentName[]) {
      const value = given[name];
      if (value === undefined || (value === null && name !== 'priority')) continue;
      const expected = this.#fault(name, value);
      if (expected === undefined) read[name] = value;
      else this.#add(`/arguments/${name}`, 'invalid-value', `expected ${expected}`);
    }
    return read;
  }

  /** What was expected, undefined when the value is that. */
  #fault(name: ArgumentName, value: unknown): string | undefined {
    switch (name) {
      case 'priority':
        return value === null || (typeof value === 'number' && Math.abs(value) <= overrideMax)
          ? undefined
          : `a number from -${overrideMax} to ${overrideMax}, or null`;
      case 'until': {
        const at = typeof value === 'string' ? parseInstant(value) : undefined;
        return at !== undefined && at > this.#reading.now ? undefined : 'an ISO 8601 time with offset, in the future';
      }
      case 'category':
        return typeof value === 'string' && this.#reading.hasCategory(value)
          ? undefined
          : 'the path of a category that exists';
      default: {
        const lengthMax = name === 'agentId' ? textLengthMax : reasonLengthMax;
        const isText = typeof value === 'string' && value.length > 0 && value.length <= lengthMax;
        return isText ? undefined : `a text of 1 to ${lengthMax} characters`;
      }
    }
  }

  #unknown(at: string, object: Record<string, unknown>, known: readonly string[]): void {
    for (const key of Object.keys(object)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const hint = near === undefined ? `known here: ${known.join(', ') || 'nothing'}` : `did you mean ${near}?`;
      const detail = `${JSON.stringify(shown(key))} is not known here; ${hint}`;
      this.#add(`${at}/${pointerKey(key)}`, 'unknown-field', detail);
    }
  }

  #add(pointer: string, code: RejectionCode, detail: string): void {
    if (this.faults.length < faultsMax) this.faults.push({ pointer, code, detail });
  }
}

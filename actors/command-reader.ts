import type { Command, ItemCommand } from '../engine/command.js';
import { checkContent, decodeBody, refusal } from '../engine/content.js';
import { isObject, parseDraft } from '../engine/draft.js';
import { parseInstant } from '../engine/instant.js';
import { itemFieldsBytesMax } from '../engine/limits.js';
import { type Fault, fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import { checkSavedFilter, portable, type SavedFilter } from '../engine/saved-filter.js';
import { documentsOf } from '../engine/settings.js';
import { checkImport, checkSettings, contentsOf } from '../engine/settings-check.js';
import type { TenantState } from '../engine/state.js';
import type { Instant } from '../engine/work-item.js';
import type { Request } from './request.js';

type Writing = Extract<
  Request,
  {
    op:
      | 'create'
      | 'createMany'
      | 'update'
      | 'command'
      | 'commandMany'
      | 'next'
      | 'putSettings'
      | 'importSettings'
      | 'putFilter'
      | 'deleteFilter'
      | 'eraseItems'
      | 'eraseFilters'
      | 'note';
  }
>;

/**
 * Reads a request's bytes into commands: one, or one a line for bulk. What cannot be read becomes a rejection in its
 * place, so that a bad line harms no other.
 */
export function readCommands(request: Writing, state: TenantState, now: Instant): (Command | Rejection)[] {
  switch (request.op) {
    case 'create':
      return [readCreate(decodeBody(request.body), request, state, now, request.idempotencyKey)];
    case 'createMany':
      return readLines(request, state, now);
    case 'update':
      return [readUpdate(request)];
    case 'command':
      return [readItemCommand(request)];
    case 'commandMany':
      return readItemCommands(request);
    case 'note':
      return [readNote(request)];
    case 'next':
      return [
        withKey({ type: 'next', agentId: request.agentId, by: request.by, from: request.from }, request, {
          agentId: request.agentId,
        }),
      ];
    case 'eraseItems':
      return request.ids.map((id) => ({
        type: 'erase',
        id,
        personal: request.personal,
        by: request.by,
        from: request.from,
      }));
    case 'eraseFilters': {
      const { filterIds, telling, by, from } = request;
      return [{ type: 'eraseFilters', filterIds, telling, by, from }];
    }
    case 'putSettings':
      return [readSettings(request, state)];
    case 'importSettings':
      return [readImport(request, state)];
    case 'putFilter':
      return [readFilter(request)];
    case 'deleteFilter': {
      const { filterId, ifMatch, by, from } = request;
      return [{ type: 'removeFilter', filterId, ifMatch, by, from }];
    }
  }
}

function readCreate(
  value: unknown,
  request: Extract<Writing, { op: 'create' | 'createMany' }>,
  state: TenantState,
  now: Instant,
  key: string | undefined,
): Command | Rejection {
  if (isRejection(value)) return value;
  const draft = parseDraft(value, { now, attributesBytesMax: state.attributesBytesMax, tenantId: state.tenantId });
  if (isRejection(draft)) return draft;
  const { mode, by, from } = request;
  const parsed = (value as { attributes?: object | null }).attributes ?? undefined;
  const command: Command = { type: 'create', draft, parsed, mode, by, from };
  if (key !== undefined) command.key = { key, fingerprint: `create:${mode}:${draft.fingerprint}` };
  return command;
}

function readLines(
  request: Extract<Writing, { op: 'createMany' }>,
  state: TenantState,
  now: Instant,
): (Command | Rejection)[] {
  const values =
    request.format === 'array'
      ? arrayElements(request.body)
      : ndjsonLines(request.body, state.attributesBytesMax + itemFieldsBytesMax);
  return values.map((value, index) => {
    const key =
      request.idempotencyKey === undefined ? undefined : `${request.idempotencyKey}#${request.firstLine + index}`;
    return readCreate(value, request, state, now, key);
  });
}

/** The array's elements; a body that is no array at all is one faulty line. */
function arrayElements(body: Uint8Array): unknown[] {
  // One level more than an item may have: the array itself.
  const value = decodeBody(body, bulkDepthMax);
  if (isRejection(value)) return [value];
  return Array.isArray(value) ? value : [reject('invalid-json', 'expected a JSON array of work items')];
}

const bulkDepthMax = 64;
const lineFeed = 0x0a;

function ndjsonLines(body: Uint8Array, itemBytesMax: number): unknown[] {
  const values: unknown[] = [];
  for (let start = 0; start < body.length; ) {
    let end = body.indexOf(lineFeed, start);
    if (end < 0) end = body.length;
    const line = body.subarray(start, end);
    values.push(line.length > itemBytesMax ? tooLarge(itemBytesMax) : decodeBody(line));
    start = end + 1;
  }
  return values;
}

function tooLarge(itemBytesMax: number): Rejection {
  return reject('too-large', `one work item may have ${itemBytesMax} bytes`);
}

function readUpdate(request: Extract<Writing, { op: 'update' }>): Command | Rejection {
  const patch = decodeBody(request.body);
  if (isRejection(patch)) return patch;
  const checked = checkContent(patch);
  if ('faults' in checked) return refusal(checked.faults);
  const { id, ifMatch, by, from } = request;
  const command: Command = { type: 'update', id, patch: patch as Record<string, unknown>, ifMatch, by, from };
  return withKey(command, request, { id, patch: checked.hash });
}

function readItemCommand(request: Extract<Writing, { op: 'command' }>): Command | Rejection {
  const { name, id, ifMatch, reason, resultCode, agentId, priority, until, category, by, from } = request;
  const said = { name, id, reason, resultCode, agentId, priority, until, category };
  const checked = checkContent(JSON.parse(JSON.stringify(said)));
  if ('faults' in checked) return refusal(checked.faults);
  const at = until === undefined ? undefined : parseInstant(until);
  if (until !== undefined && at === undefined)
    return fault('/until', 'invalid-value', 'expected an ISO 8601 time with offset');
  const command: ItemCommand = { type: name, id, ifMatch, reason, resultCode, agentId, by, from };
  if (name === 'reprioritize') Object.assign(command, { priority, until: at });
  if (name === 'move') command.category = category;
  return withKey(command, request, said);
}

function readItemCommands(request: Extract<Writing, { op: 'commandMany' }>): (Command | Rejection)[] {
  const { op: _op, ids, ifMatches, firstLine, idempotencyKey, ...said } = request;
  return ids.map((id, index) => {
    const key = idempotencyKey && `${idempotencyKey}#${firstLine + index}`;
    return readItemCommand({ op: 'command', ...said, id, ifMatch: ifMatches?.[index], idempotencyKey: key });
  });
}

function readNote({ note, by, from, idempotencyKey: key }: Extract<Writing, { op: 'note' }>): Command {
  return { type: 'note', note, by, from, ...(key !== undefined && { key: { key, fingerprint: note.type } }) };
}

/** The command with its Idempotency-Key and the fingerprint of what was asked under it. */
function withKey(command: Command, request: Writing, said: Record<string, unknown>): Command | Rejection {
  const { idempotencyKey } = request;
  if (idempotencyKey === undefined) return command;
  const checked = checkContent(JSON.parse(JSON.stringify(said)));
  if ('faults' in checked) return refusal(checked.faults);
  return { ...command, key: { key: idempotencyKey, fingerprint: `${command.type}:${checked.hash}` } } as Command;
}

function readSettings(request: Extract<Writing, { op: 'putSettings' }>, state: TenantState): Command | Rejection {
  const decoded = decodeBody(request.body);
  if (isRejection(decoded)) return decoded;
  const checked = checkContent(decoded);
  if ('faults' in checked) return refusal(checked.faults);
  const body = withoutAnswerFields(decoded);
  const { ifMatch, by, from } = request;
  const content = checkSettings(request.kind, body, documentsOf(state.settings));
  if ('faults' in content) return settingsFault(content.faults);
  return { type: 'replaceSettings', content, ifMatch, by, from };
}

/** The kinds that a bundle brings, those that are in force already left out: an import twice publishes once. */
function readImport(request: Extract<Writing, { op: 'importSettings' }>, state: TenantState): Command | Rejection {
  const decoded = decodeBody(request.body);
  if (isRejection(decoded)) return decoded;
  const inForce = documentsOf(state.settings);
  const checked = checkImport(decoded, inForce);
  if ('faults' in checked) return settingsFault(checked.faults);
  const { by, from } = request;
  const contents = contentsOf(checked.bundle).filter(
    ({ kind, document }) => JSON.stringify(document) !== JSON.stringify(inForce[kind]),
  );
  const filters = checked.filters.filter((saved) => !isSaved(state, saved));
  return { type: 'importSettings', contents, filters, by, from };
}

function isSaved(state: TenantState, saved: SavedFilter): boolean {
  const before = state.filters.find(saved.id);
  return before !== undefined && JSON.stringify(portable(before)) === JSON.stringify(portable(saved));
}

function readFilter(request: Extract<Writing, { op: 'putFilter' }>): Command | Rejection {
  const body = decodeBody(request.body);
  if (isRejection(body)) return body;
  const { filterId, ifMatch, by, from } = request;
  const checked = checkSavedFilter(filterId, body);
  return 'faults' in checked
    ? refusal(checked.faults)
    : { type: 'saveFilter', saved: checked.saved, ifMatch, by, from };
}

/** What a GET adds to the document: whoever reads, changes and writes it back need not take it out. */
function withoutAnswerFields(body: unknown): unknown {
  if (!isObject(body)) return body;
  const { version: _version, updatedDateTime: _updated, warnings: _warnings, ...document } = body;
  return document;
}

function settingsFault(faults: readonly Fault[]): Rejection {
  const first = faults[0];
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return reject('invalid-settings', `${first.pointer}: ${first.detail}${more}`, { faults });
}

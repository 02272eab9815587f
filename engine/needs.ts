import type { Command } from './command.js';
import { isRejection, type Rejection } from './rejection.js';
import type { TenantState } from './state.js';
import type { Instant } from './work-item.js';

/** Documents and keys to be read from the table before a command can be decided. */
export interface Needs {
  ids: string[];
  captureIds: string[];
  keys: string[];
}

/** Commands of one request that are looked over when one of them needs something. */
const commandsAhead = 1000;
/** Heads of the queue that are read together when one of them is missing: the next takers will want the rest. */
const headsRead = 64;

/**
 * What is missing in memory for `decide`: the documents of the items that the command is about, and whether its
 * captureId or Idempotency-Key is known. `absent` holds what was looked up for this command and does not
 * exist (ids as they are, captureIds as `c:`, keys as `k:`). Undefined when nothing is missing, which is the rule for a new item: the filter of known keys
 * spares the look-up.
 */
export function needsOf(
  state: TenantState,
  command: Command,
  absent: ReadonlySet<string>,
  now: Instant,
): Needs | undefined {
  const needs: Needs = { ids: [], captureIds: [], keys: [] };
  const answered = needKey(state, command, absent, needs);
  if (answered) return needs.ids.length > 0 ? needs : undefined;
  switch (command.type) {
    case 'create':
      needCapture(state, command.draft.captureId, absent, needs);
      break;
    case 'next':
      needHeads(state, now, needs);
      break;
    case 'replaceSettings':
    case 'saveFilter':
    case 'removeFilter':
    case 'eraseFilters':
    case 'note':
    case 'importSettings':
      break;
    default:
      needItem(state, command.id, absent, needs);
  }
  return needs.ids.length + needs.captureIds.length + needs.keys.length > 0 ? needs : undefined;
}

/** What the commands from `from` on need together, so that a request of many costs one read and not one a command. */
export function needsAhead(
  state: TenantState,
  commands: readonly (Command | Rejection)[],
  from: number,
  absent: ReadonlySet<string>,
  now: Instant,
): Needs {
  const all: Needs = { ids: [], captureIds: [], keys: [] };
  for (const command of commands.slice(from, from + commandsAhead)) {
    const needs = isRejection(command) ? undefined : needsOf(state, command, absent, now);
    if (needs === undefined) continue;
    all.ids.push(...needs.ids);
    all.captureIds.push(...needs.captureIds);
    all.keys.push(...needs.keys);
  }
  return all;
}

function needItem(state: TenantState, id: string, absent: ReadonlySet<string>, needs: Needs): void {
  if (state.documents.has(id) || absent.has(id)) return;
  needs.ids.push(id);
}

function needCapture(
  state: TenantState,
  captureId: string | undefined,
  absent: ReadonlySet<string>,
  needs: Needs,
): void {
  if (captureId === undefined) return;
  const known = `c:${captureId}`;
  if (!state.known.mayHave(known) || absent.has(known)) return;
  if (state.findByCapture(captureId) !== undefined) return;
  needs.captureIds.push(captureId);
}

/** True when the command was answered before: it needs the item of that answer then, and nothing else. */
function needKey(state: TenantState, command: Command, absent: ReadonlySet<string>, needs: Needs): boolean {
  if (!('key' in command) || command.key === undefined) return false;
  const { key } = command.key;
  const answer = state.answerTo(key);
  if (answer?.itemId) needItem(state, answer.itemId, absent, needs);
  const known = `k:${key}`;
  if (answer === undefined && state.known.mayHave(known) && !absent.has(known)) needs.keys.push(key);
  return answer !== undefined;
}

/** The best item must be readable before it is given away; a head whose document is here needs nothing. */
function needHeads(state: TenantState, now: Instant, needs: Needs): void {
  const best = state.queue.best(now);
  if (best < 0 || state.documents.has(state.table.idOf(best))) return;
  needs.ids.push(...coldHeads(state, now));
}

/** The first heads of the queue whose documents are not in memory. */
export function coldHeads(state: TenantState, now: Instant): string[] {
  const ids = state.queue.top(now, headsRead).map((slot) => state.table.idOf(slot));
  return ids.filter((id) => !state.documents.has(id));
}

import type {
  Command,
  Create,
  Erase,
  ImportSettings,
  ItemCommand,
  ItemCommandName,
  Next,
  ReplaceSettings,
  Update,
} from './command.js';
import { expiresTooEarly, isExpiredAt } from './draft.js';
import { afterHold, categoryDue, type Due, type DueFacts } from './due-time.js';
import type { Event, ItemMoved, Move } from './event.js';
import { eraseFilters, removeFilter, saveFilter } from './filter-decision.js';
import { itemRecord } from './item-record.js';
import { readyStatus, refuseStep } from './life-cycle.js';
import { mergePatch } from './patch.js';
import { erasureOf } from './personal.js';
import { fault, isRejection, type Rejection, reject, versionMismatch } from './rejection.js';
import { settingsReplaced } from './settings.js';
import type { TenantState } from './state.js';
import { deleted, recategorized, reprioritized } from './supervision.js';
import type { Draft, Instant, Status, WorkItem } from './work-item.js';

/** What a command leads to: the events that make it so, and the item that the caller asked about. */
export interface Decision {
  events: Event[];
  /** Absent for settings, for `delete`, and for `next` on an empty queue. */
  itemId?: string;
  status: 200 | 201 | 204;
  /** The answer of an earlier request with the same key. */
  replayed?: boolean;
  /** An upsert older than what is known: nothing was changed. */
  ignored?: boolean;
}

/**
 * Decides one command against the state as it is at `now`: events, or a rejection. Changes nothing; `apply` does. The
 * documents of the items that the command is about must be in memory (`needs.ts` says which), except those that do not
 * exist at all.
 */
export function decide(state: TenantState, command: Command, now: Instant, newId: () => string): Decision | Rejection {
  const replay = replayOf(state, command);
  if (replay !== undefined) return replay;
  switch (command.type) {
    case 'create':
      return create(state, command, now, newId);
    case 'update':
      return update(state, command, now);
    case 'next':
      return next(state, command, now);
    case 'activateDue':
      return due(state, command.id, now, 'activated');
    case 'expire':
      return due(state, command.id, now, 'expired');
    case 'replaceSettings':
      return replaceSettings(state, command, now);
    case 'saveFilter':
      return saveFilter(state, command, now);
    case 'removeFilter':
      return removeFilter(state, command, now);
    case 'erase':
      return erase(state, command, now);
    case 'eraseFilters':
      return eraseFilters(state, command, now);
    case 'note':
      return {
        events: [keyed({ ...command.note, at: now, by: command.by, from: command.from }, command, 200)],
        status: 200,
      };
    case 'importSettings':
      return importSettings(state, command, now);
    default:
      return move(state, command, now);
  }
}

/** The first answer to a request that has been seen under this Idempotency-Key. */
function replayOf(state: TenantState, command: Command): Decision | Rejection | undefined {
  if (!('key' in command) || command.key === undefined) return undefined;
  const seen = state.answerTo(command.key.key);
  if (seen === undefined) return undefined;
  if (seen.fingerprint !== command.key.fingerprint) {
    return reject('key-reused', 'this Idempotency-Key came before with another request; use a new key');
  }
  const status = seen.status as Decision['status'];
  return { events: [], itemId: status === 204 ? undefined : (seen.itemId ?? undefined), status, replayed: true };
}

function create(state: TenantState, command: Create, now: Instant, newId: () => string): Decision | Rejection {
  const { draft } = command;
  const existing = draft.captureId === undefined ? undefined : state.findByCapture(draft.captureId);
  if (existing !== undefined) return repeat(state, command, existing, now);
  // Not earlier: a repeated create is answered as the first time, also when its item has expired meanwhile.
  if (isExpiredAt(draft.expirationDateTime, draft.createdDateTime ?? now)) return expired();
  const item = newItem(state, draft, now, newId(), command.parsed);
  const event: Event = { type: 'created', at: now, by: command.by, from: command.from, item };
  return { events: [keyed(event, command, 201)], itemId: item.id, status: 201 };
}

/** A captureId that is known: the same content again, something older, an upsert, or a conflict. */
function repeat(state: TenantState, command: Create, existing: WorkItem, now: Instant): Decision | Rejection {
  const { draft, mode } = command;
  const unchanged: Decision = { events: [], itemId: existing.id, status: 200 };
  if (draft.fingerprint === existing.fingerprint) return unchanged;
  if (mode !== 'upsert') {
    return reject(
      'capture-conflict',
      `captureId ${draft.captureId} belongs to item ${existing.id}, which came with other content; ?mode=upsert updates it`,
      { facts: { id: existing.id } },
    );
  }
  if (isOlder(draft, existing)) return { ...unchanged, ignored: true };
  const refused = refuseStep(existing.status, 'update');
  if (refused !== undefined) return refused;
  const createdDateTime = draft.createdDateTime ?? existing.createdDateTime;
  if (isExpiredAt(draft.expirationDateTime, createdDateTime)) return expired();
  const whole: Draft = { ...draft, createdDateTime };
  return updated(state, command, existing, whole, draft.category, now);
}

function expired(): Rejection {
  return fault('/expirationDateTime', 'invalid-value', expiresTooEarly);
}

/** Whether a message left its source before the one that the item stands for. */
function isOlder(draft: Draft, existing: WorkItem): boolean {
  if (draft.sourceVersion !== undefined && existing.sourceVersion !== undefined) {
    return draft.sourceVersion < existing.sourceVersion;
  }
  if (draft.sourceUpdatedDateTime !== undefined && existing.sourceUpdatedDateTime !== undefined) {
    return draft.sourceUpdatedDateTime < existing.sourceUpdatedDateTime;
  }
  return false;
}

/** The item that a draft becomes: classified, with its category's defaults, in the state in which it will rest. */
export function newItem(state: TenantState, draft: Draft, now: Instant, id: string, parsed?: object): WorkItem {
  const createdDateTime = draft.createdDateTime ?? now;
  const verdict = classified(state, draft, createdDateTime, now, parsed);
  const { status } = verdict;
  const { attributes, fingerprint } = draft;
  const [seq, version, updatedDateTime] = [state.seq + 1, 1, now];
  const core = { id, seq, version, status, createdDateTime, updatedDateTime, attributes, fingerprint };
  return itemRecord(core, draft, verdict);
}

type Classified = Pick<WorkItem, 'status' | 'category' | 'rule' | 'error' | 'preclassified'> & Due;

/** Asks the source's category or the rules; without an answer the item is errorheld and says why. */
function classified(
  state: TenantState,
  draft: Draft & DueFacts,
  created: Instant,
  now: Instant,
  parsed?: object,
): Classified {
  const verdict = state.classify(draft, parsed);
  if ('error' in verdict) return { status: 'errorheld', error: verdict.error, category: draft.category };
  const { category, rule, preclassified } = verdict;
  const due: Due = draft.dueDateTime === undefined ? categoryDue(state, category, draft, created) : draft;
  const { dueDateTime, dueByCategory } = due;
  const status = readyStatus(draft.activationDateTime, now);
  return { status, category, rule, preclassified, dueDateTime, dueByCategory };
}

function update(state: TenantState, command: Update, now: Instant): Decision | Rejection {
  const item = state.documents.get(command.id);
  if (item === undefined) return notFound(command.id);
  const refused = refuseVersion(item, command.ifMatch) ?? refuseStep(item.status, 'update');
  if (refused !== undefined) return refused;
  const merged = mergePatch(item, command.patch, { now, attributesBytesMax: state.attributesBytesMax });
  if (isRejection(merged)) return merged;
  const { draft, changed } = merged;
  if (changed.length === 0) return { events: [], itemId: item.id, status: 200 };
  if (changed.includes('category') && draft.category !== undefined && !state.categories.has(draft.category)) {
    return fault('/category', 'invalid-value', `category ${draft.category} does not exist`);
  }
  // The fingerprint stays the source's: a patch from elsewhere must not turn the source's retry into a conflict.
  const chosen = changed.includes('category') ? draft.category : item.preclassified ? item.category : undefined;
  return updated(state, command, item, { ...draft, fingerprint: item.fingerprint }, chosen, now);
}

/** The item with its source fields replaced by `draft`, classified anew unless somebody chose its category. */
function updated(
  state: TenantState,
  command: Create | Update,
  item: WorkItem,
  draft: Draft,
  chosenCategory: string | undefined,
  now: Instant,
): Decision {
  const created = draft.createdDateTime ?? item.createdDateTime;
  const isSameDue = draft.dueDateTime === item.dueDateTime;
  const known = { ...draft, stoppedMs: item.stoppedMs, dueByCategory: isSameDue ? item.dueByCategory : undefined };
  const asNew = classified(state, { ...known, category: chosenCategory }, created, now);
  const verdict = asNew.error !== undefined && isInHand(item.status) ? categoryOf(item) : asNew;
  const next: WorkItem = {
    ...known,
    ...lifeOf(item),
    ...verdict,
    status: isInHand(item.status) ? item.status : asNew.status,
    createdDateTime: created,
    version: item.version + 1,
    updatedDateTime: now,
  };
  const { by, from } = command;
  const event: Event = { type: 'updated', at: now, by, from, item: next, changed: changedFields(item, next) };
  return { events: [keyed(event, command, 200)], itemId: item.id, status: 200 };
}

/** Somebody's work and somebody's hold outlive an update, and so does their category when no other is found. */
function isInHand(status: Status): boolean {
  return status === 'assigned' || status === 'held';
}

function categoryOf({ category, rule, preclassified }: WorkItem): Partial<Classified> {
  return { category, rule, preclassified };
}

/** What belongs to the item's life, not to its source: kept over an update. */
function lifeOf(
  item: WorkItem,
): Pick<WorkItem, 'id' | 'seq' | 'assignedTo' | 'assignedDateTime' | 'heldDateTime' | 'reason' | 'override'> {
  const { id, seq, assignedTo, assignedDateTime, heldDateTime, reason, override } = item;
  return { id, seq, assignedTo, assignedDateTime, heldDateTime, reason, override };
}

const bookkeeping: ReadonlySet<string> = new Set(['version', 'updatedDateTime', 'fingerprint']);

function changedFields(before: WorkItem, after: WorkItem): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof WorkItem>;
  return [...names].filter((name) => !bookkeeping.has(name) && before[name] !== after[name]);
}

function next(state: TenantState, command: Next, now: Instant): Decision | Rejection {
  const slot = state.queue.best(now);
  if (slot < 0) return { events: [], status: 204 };
  const item = state.mustDocument(state.table.idOf(slot));
  const event = moved(item, 'assigned', 'assigned', now, { assignedTo: command.agentId, assignedDateTime: now });
  return {
    events: [keyed({ ...event, by: command.by, from: command.from }, command, 200)],
    itemId: item.id,
    status: 200,
  };
}

/** Not a step of the item's life: it is for every state, and an item that has nothing left to erase stays as it is. */
function erase(state: TenantState, { id, personal, by, from }: Erase, now: Instant): Decision | Rejection {
  const item = state.documents.get(id);
  if (item === undefined) return notFound(id);
  const set = erasureOf(item, personal);
  if (set === undefined) return { events: [], itemId: id, status: 200 };
  return { events: [{ ...moved(item, 'erased', item.status, now, set), by, from }], itemId: id, status: 200 };
}

/** A command on one item, by id. */
function move(state: TenantState, command: ItemCommand, now: Instant): Decision | Rejection {
  const item = state.documents.get(command.id);
  if (item === undefined) return notFound(command.id);
  const refused = refuseVersion(item, command.ifMatch) ?? refuseStep(item.status, command.type);
  if (refused !== undefined) return refused;
  if (command.type === 'delete') {
    return { events: [keyed(deleted(item, command, now), command, 204)], status: 204 };
  }
  const event = moveEvent(state, item, command, command.type, now);
  if (event === undefined) return { events: [], itemId: item.id, status: 200 };
  if (isRejection(event)) return event;
  return {
    events: [keyed({ ...event, by: command.by, from: command.from }, command, 200)],
    itemId: item.id,
    status: 200,
  };
}

/** What is true of an item that nobody works on and nobody holds. */
const released = { assignedTo: null, assignedDateTime: null, heldDateTime: null, reason: null } as const;

/** Undefined when the item is already as the command wants it. */
function moveEvent(
  state: TenantState,
  item: WorkItem,
  command: ItemCommand,
  type: Exclude<ItemCommandName, 'delete'>,
  now: Instant,
): ItemMoved | Rejection | undefined {
  const { reason, resultCode, agentId } = command;
  const ended = {
    completedDateTime: now,
    heldDateTime: null,
    error: null,
    ...afterHold(state, item, now),
    ...given({ reason, resultCode }),
  };
  switch (type) {
    case 'hold':
      return moved(item, 'held', 'held', now, { ...released, heldDateTime: now, ...given({ reason }) });
    case 'resume':
      return item.status === 'held' && item.category !== undefined && item.error === undefined
        ? moved(item, 'resumed', readyStatus(item.activationDateTime, now), now, {
            ...released,
            ...afterHold(state, item, now),
          })
        : reclassified(state, item, 'resumed', now, {});
    case 'restart':
      return restarted(state, item, now);
    case 'activate':
      return moved(item, 'activated', 'queued', now, { activationDateTime: now });
    case 'assign':
      return moved(item, 'assigned', 'assigned', now, { assignedTo: agentId, assignedDateTime: now });
    case 'unassign':
      return moved(item, 'unassigned', readyStatus(item.activationDateTime, now), now, released);
    case 'complete':
      return moved(item, 'completed', 'completed', now, ended);
    case 'cancel':
      return moved(item, 'canceled', 'canceled', now, ended);
    case 'reject':
      return moved(item, 'rejected', 'rejected', now, ended);
    case 'reprioritize':
      return reprioritized(item, command, now);
    case 'move':
      return recategorized(state, item, command, now);
  }
}

/** Back to the start of its life, with a new classification. An expiration that has passed would end it at once. */
function restarted(state: TenantState, item: WorkItem, now: Instant): ItemMoved {
  const past = item.expirationDateTime !== undefined && item.expirationDateTime <= now;
  return reclassified(state, item, 'restarted', now, {
    completedDateTime: null,
    resultCode: null,
    ...(item.override !== undefined && { override: null }),
    ...(past ? { expirationDateTime: null } : {}),
  });
}

function reclassified(state: TenantState, item: WorkItem, type: Move, now: Instant, set: Changes): ItemMoved {
  const asked = item.preclassified || item.rule === undefined ? item.category : undefined;
  const verdict = classified(state, { ...item, category: asked }, item.createdDateTime, now);
  const { status, ...fields } = verdict;
  // A category that a rule once found and none finds now is not one that the source has named.
  const before: Changes = { ...released, rule: null, error: null, ...(asked === undefined && { category: null }) };
  return moved(item, type, status, now, { ...before, ...set, ...given(fields), ...afterHold(state, item, now) });
}

/** The engine's own timers: an activation or expiration time has come. Stale timers are no events. */
function due(state: TenantState, id: string, now: Instant, type: 'activated' | 'expired'): Decision | Rejection {
  const item = state.documents.get(id);
  if (item === undefined) return notFound(id);
  const refused = refuseStep(item.status, type === 'activated' ? 'activate' : 'expire');
  if (refused !== undefined) return refused;
  const event =
    type === 'activated'
      ? moved(item, type, 'queued', now, {})
      : moved(item, type, 'expired', now, {
          completedDateTime: now,
          heldDateTime: null,
          error: null,
          ...afterHold(state, item, now),
        });
  return { events: [{ ...event, by: 'timer' }], itemId: id, status: 200 };
}

type Changes = NonNullable<ItemMoved['set']>;

function moved(item: WorkItem, type: Move, status: Status, at: Instant, set: Changes): ItemMoved {
  return { type, at, id: item.id, version: item.version + 1, status, set };
}

/** Only the fields that have a value: an absent argument must not wipe what is there. */
function given(fields: Changes): Changes {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function keyed(event: Event, command: Pick<Create, 'key'>, status: number): Event {
  return command.key === undefined ? event : { ...event, key: { ...command.key, status } };
}

function replaceSettings(state: TenantState, command: ReplaceSettings, now: Instant): Decision | Rejection {
  const { content, ifMatch, by, from } = command;
  const { version } = state.settings[content.kind];
  if (ifMatch !== undefined && ifMatch !== version) return versionMismatch(version);
  return { events: [settingsReplaced(content, { at: now, by, from, version: version + 1 })], status: 200 };
}

function importSettings(state: TenantState, command: ImportSettings, now: Instant): Decision | Rejection {
  const { contents, filters = [], by, from } = command;
  const events: Event[] = contents.map((content) => {
    const { version } = state.settings[content.kind];
    return settingsReplaced(content, { at: now, by, from, version: version + 1 });
  });
  for (const saved of filters) {
    const decision = saveFilter(state, { type: 'saveFilter', saved, by, from }, now);
    if (isRejection(decision)) return decision;
    for (const event of decision.events) events.push(asNumbered(event, state.seq + events.length + 1));
  }
  return { events, status: 200 };
}

/** A saved filter's version is the number of its event, of which an import has several. */
function asNumbered(event: Event, seq: number): Event {
  return event.type === 'filterSaved' ? { ...event, filter: { ...event.filter, version: seq } } : event;
}

function notFound(id: string): Rejection {
  return reject('not-found', `there is no work item ${id}`);
}

function refuseVersion(item: WorkItem, ifMatch: number | undefined): Rejection | undefined {
  return ifMatch === undefined || ifMatch === item.version ? undefined : versionMismatch(item.version);
}

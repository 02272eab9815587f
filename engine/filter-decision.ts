import type { EraseFilters, RemoveFilter, SaveFilter } from './command.js';
import { shown } from './content.js';
import type { Event } from './event.js';
import { savedFiltersMax, savedFiltersOwnedMax } from './limits.js';
import { filterWithout, idTells } from './personal-text.js';
import { type Rejection, reject, versionMismatch } from './rejection.js';
import type { FilterVersion } from './saved-filter.js';
import type { TenantState } from './state.js';
import type { Instant } from './work-item.js';

/** What a command on a saved filter leads to; 201 when there was none under this id. */
export interface FilterDecision {
  events: Event[];
  status: 200 | 201 | 204;
}

/**
 * Saves a filter under its id. One that the caller cannot see is still in the way: of it nothing is said but that the id
 * is taken. Its owner stays who saved it first, and only the owner makes a shared one private.
 */
export function saveFilter(state: TenantState, command: SaveFilter, now: Instant): FilterDecision | Rejection {
  const { saved, ifMatch, by, from } = command;
  const before = state.filters.find(saved.id);
  const refused = before === undefined ? refuseNew(state, command) : refuseChange(state, command, before);
  if (refused !== undefined) return refused;
  if (before !== undefined && ifMatch !== undefined && before.version !== ifMatch)
    return versionMismatch(before.version);
  const owner = before === undefined ? by : before.owner;
  const filter: FilterVersion = { ...saved, ...(owner !== undefined && { owner }), version: state.seq + 1, at: now };
  return { events: [{ type: 'filterSaved', at: now, by, from, filter }], status: before === undefined ? 201 : 200 };
}

export function removeFilter(state: TenantState, command: RemoveFilter, now: Instant): FilterDecision | Rejection {
  const { filterId, ifMatch, by, from } = command;
  const before = state.filters.visible(filterId, by);
  if (before === undefined) return noFilter(filterId);
  if (ifMatch !== undefined && before.version !== ifMatch) return versionMismatch(before.version);
  return { events: [{ type: 'filterRemoved', at: now, by, from, filterId }], status: 204 };
}

/**
 * What tells of a person goes from filters that somebody has saved. One whose id tells of the person is removed: under
 * another id nobody would find it.
 */
export function eraseFilters(state: TenantState, command: EraseFilters, now: Instant): FilterDecision {
  const { filterIds, telling, by, from } = command;
  const events: Event[] = [];
  for (const id of filterIds) {
    const before = state.filters.find(id);
    if (before === undefined) continue;
    const left = filterWithout(before, telling);
    if (idTells(id, telling)) events.push({ type: 'filterRemoved', at: now, by, from, filterId: id });
    else if (left !== before) {
      const filter = { ...left, version: state.seq + events.length + 1, at: now };
      events.push({ type: 'filterSaved', at: now, by, from, filter });
    }
  }
  return { events, status: 200 };
}

export function noFilter(id: string): Rejection {
  return reject('not-found', `there is no saved filter ${shown(id)}, or it is somebody else's`);
}

function refuseNew(state: TenantState, { saved, ifMatch, by }: SaveFilter): Rejection | undefined {
  if (ifMatch !== undefined) return noFilter(saved.id);
  const isFull = state.filters.size >= savedFiltersMax || state.filters.countOf(by) >= savedFiltersOwnedMax;
  if (!isFull) return undefined;
  const bound = `${savedFiltersOwnedMax} of one owner, ${savedFiltersMax} of the tenant`;
  return reject('too-large', `no more filters can be saved (${bound}): delete some`);
}

function refuseChange(state: TenantState, { saved, by }: SaveFilter, before: FilterVersion): Rejection | undefined {
  if (state.filters.visible(saved.id, by) === undefined) {
    return reject('conflict', `the id ${saved.id} is in use; choose another`);
  }
  if (saved.shared || before.owner === by) return undefined;
  return reject('conflict', `filter ${saved.id} is shared and not yours: save a private one under another id`);
}

import type { Status } from '../../engine/work-item.js';

/**
 * What a work item may do, written from the API's documents and not from the engine: the checkers must not learn the
 * life cycle from whom they check. A state has exactly the fields that every answer shows.
 */
export interface ItemState {
  status: Status;
  version: number;
  agent: string | null;
  /** `attributes.mark`: number of the last operation that wrote it, so that a lost or swapped update is seen. */
  mark: number;
}

/** No item yet, or no more. */
export type Maybe = ItemState | undefined;

export type Move =
  | ('hold' | 'resume' | 'cancel' | 'complete' | 'reject' | 'restart' | 'activate' | 'unassign')
  | ('reprioritize' | 'move' | 'delete');

export type Action =
  | { do: 'create' | 'update'; mark: number }
  | { do: Move }
  /** By `next`, or by `assign`. */
  | { do: 'assign'; agent: string }
  /** The engine's own timers: nobody asks for them, they may happen from their instant on. */
  | { do: 'activateDue' | 'expire' }
  /** Looks only. `absent`: there was no such item. */
  | { do: 'read' | 'absent' }
  /** 409: the state did not allow the command. */
  | { do: 'refuse'; command: Command; status: Status }
  /** 412: the version was another than the one expected. */
  | { do: 'mismatch'; expected: number; version: number };

/** Times of items are the server's wall clock, times of operations the harness's monotonic one. */
export const clockSlackMs = 1000;

export type Command = Move | 'update' | 'assign';

const open: readonly Status[] = ['scheduled', 'queued', 'assigned', 'held', 'errorheld'];
const ends: readonly Status[] = ['completed', 'canceled', 'rejected', 'expired'];
/** Where an item rests that is ready to be worked on: it depends on the time, which the model does not know. */
const ready: readonly Status[] = ['scheduled', 'queued'];

const allowed: Record<Command | 'activateDue' | 'expire', readonly Status[]> = {
  update: open,
  activate: ['scheduled'],
  assign: ['queued'],
  unassign: ['assigned'],
  hold: ['scheduled', 'queued', 'assigned'],
  resume: ['held', 'errorheld'],
  complete: open,
  cancel: open,
  reject: open,
  restart: ['scheduled', 'queued', 'held', 'errorheld', ...ends],
  activateDue: ['scheduled'],
  expire: ['scheduled', 'queued', 'held', 'errorheld'],
  reprioritize: open,
  move: open,
  delete: [...open, ...ends],
};

const leadsTo: Record<
  Exclude<Move, 'resume' | 'restart' | 'unassign' | 'reprioritize' | 'move' | 'delete'> | 'activateDue' | 'expire',
  Status
> = {
  hold: 'held',
  complete: 'completed',
  cancel: 'canceled',
  reject: 'rejected',
  activate: 'queued',
  activateDue: 'queued',
  expire: 'expired',
};

/** Every state that the action may lead to from this one: none when it is impossible here. */
export function after(state: Maybe, action: Action): Maybe[] {
  if (action.do === 'absent') return state === undefined ? [undefined] : [];
  if (action.do === 'create') {
    const born = (status: Status): ItemState => ({ status, version: 1, agent: null, mark: action.mark });
    return state === undefined ? ready.map(born) : [];
  }
  if (state === undefined) return [];
  if (action.do === 'read') return [state];
  if (action.do === 'mismatch')
    return state.version === action.version && action.expected !== action.version ? [state] : [];
  if (action.do === 'refuse') {
    return state.status === action.status && !allowed[action.command].includes(state.status) ? [state] : [];
  }
  if (!allowed[action.do].includes(state.status)) return [];
  const version = state.version + 1;
  switch (action.do) {
    case 'update':
      return statusesAfterUpdate(state.status).map((status) => ({ ...state, status, version, mark: action.mark }));
    case 'assign':
      return [{ ...state, status: 'assigned', version, agent: action.agent }];
    case 'resume':
    case 'restart':
    case 'unassign':
      return ready.map((status) => ({ ...state, status, version, agent: null }));
    case 'reprioritize':
      return [{ ...state, version }];
    case 'move':
      return [{ ...state, version }, state];
    case 'delete':
      return [undefined];
    case 'hold':
      return [{ ...state, status: 'held', version, agent: null }];
    default:
      return [{ ...state, status: leadsTo[action.do], version }];
  }
}

/** Somebody's work and somebody's hold outlive an update; a scheduled item's time may just have come. */
function statusesAfterUpdate(status: Status): readonly Status[] {
  return status === 'scheduled' || status === 'errorheld' ? ready : [status];
}

export function isSame(a: ItemState, b: ItemState): boolean {
  return a.status === b.status && a.version === b.version && a.agent === b.agent && a.mark === b.mark;
}

export function stateText(state: Maybe): string {
  return state === undefined ? 'none' : `${state.status} v${state.version} agent=${state.agent} mark=${state.mark}`;
}

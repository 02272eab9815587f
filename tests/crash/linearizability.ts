import type { Operation } from './history.js';
import { type Action, after, clockSlackMs, type ItemState, isSame, type Maybe, stateText } from './item-model.js';

/**
 * Something that happened to one item at one unknown instant between `call` and `ret`. With `ret` Infinity it may also
 * not have happened at all: nobody knows.
 */
export interface Step {
  call: number;
  ret: number;
  action: Action;
  /** The state that the answer showed, right after the action. */
  seen?: ItemState;
}

/**
 * Whether the steps can be put into one order that agrees with the clock (a step that ended before another began comes
 * first) and with what an item may do: Wing and Gong's search with a memory of the dead ends. Undefined when they can,
 * else the longest order that could be found and what could not follow it.
 */
export function findFault(steps: readonly Step[]): { order: Step[]; state: Maybe } | undefined {
  return new Search(steps).run();
}

class Search {
  readonly #steps: Step[];
  readonly #done: boolean[];
  readonly #deadEnds = new Set<string>();
  readonly #order: Step[] = [];
  #longest: { order: Step[]; state: Maybe } = { order: [], state: undefined };
  #missing: number;

  constructor(steps: readonly Step[]) {
    this.#steps = [...steps].sort((a, b) => a.call - b.call);
    this.#done = this.#steps.map(() => false);
    this.#missing = this.#steps.filter(({ ret }) => ret !== Number.POSITIVE_INFINITY).length;
  }

  run(): { order: Step[]; state: Maybe } | undefined {
    return this.#goOn(undefined, 0) ? undefined : this.#longest;
  }

  /** @param first index of the first step that is not in the order yet. */
  #goOn(state: Maybe, first: number): boolean {
    if (this.#missing === 0) return true;
    while (this.#done[first]) first++;
    const place = this.#placeOf(state, first);
    if (this.#deadEnds.has(place)) return false;
    if (this.#order.length >= this.#longest.order.length) this.#longest = { order: [...this.#order], state };
    const mustBefore = this.#earliestEnd(first);
    for (let i = first; i < this.#steps.length && this.#steps[i]!.call <= mustBefore; i++) {
      if (!this.#done[i] && this.#tryStep(state, i, first)) return true;
    }
    this.#deadEnds.add(place);
    return false;
  }

  #tryStep(state: Maybe, index: number, first: number): boolean {
    const step = this.#steps[index]!;
    const counts = step.ret === Number.POSITIVE_INFINITY ? 0 : 1;
    this.#done[index] = true;
    this.#missing -= counts;
    this.#order.push(step);
    for (const next of after(state, step.action)) {
      if (step.seen !== undefined && (next === undefined || !isSame(next, step.seen))) continue;
      if (this.#goOn(next, first)) return true;
    }
    this.#order.pop();
    this.#missing += counts;
    this.#done[index] = false;
    return false;
  }

  /** The next step of the order must begin before the first of the others has ended. */
  #earliestEnd(first: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = first; i < this.#steps.length && this.#steps[i]!.call <= earliest; i++) {
      if (!this.#done[i]) earliest = Math.min(earliest, this.#steps[i]!.ret);
    }
    return earliest;
  }

  /** Which steps are in the order, and the state that they led to: from here on everything is the same. */
  #placeOf(state: Maybe, first: number): string {
    let beyond = '';
    for (let i = first; i < this.#steps.length; i++) if (this.#done[i]) beyond += `,${i}`;
    return `${first}${beyond}|${stateText(state)}`;
  }
}

/** The steps of each item, by captureId. An operation that no item can be named for has none. */
export function stepsByItem(operations: readonly Operation[]): Map<string, Step[]> {
  const items = new Map<string, Step[]>();
  for (const operation of operations) {
    if (operation.captureId === undefined) continue;
    const steps = items.get(operation.captureId);
    const own = stepsOf(operation);
    if (steps === undefined) items.set(operation.captureId, own);
    else steps.push(...own);
  }
  return items;
}

/**
 * What an operation says about its item. An answer from the memory of Idempotency-Keys says two things: that the
 * effect took place at some time since the first attempt, and what the item was when it was answered. A refusal after
 * an unknown outcome leaves that attempt open: it may yet arrive.
 */
function stepsOf(operation: Operation): Step[] {
  const { call, lastCall, answer, doubtful } = operation;
  const ret = operation.ret ?? Number.POSITIVE_INFINITY;
  const action = actionOf(operation);
  const maybe: Step[] = isLook(operation.action) ? [] : [{ call, ret: Number.POSITIVE_INFINITY, action }];
  const timers = timersOf(operation);
  switch (answer?.kind) {
    case undefined:
    case 'faulty':
      return [...maybe, ...timers];
    case 'none':
      return doubtful > 0 ? maybe : [];
    case 'deleted':
    case 'gone':
    case 'line':
      return [{ call, ret, action }, ...timers];
    case 'absent':
      return [{ call: lastCall, ret, action: { do: 'absent' } }, ...(doubtful > 0 ? maybe : [])];
    case 'refused':
      return [...refusalOf(operation, ret), ...(doubtful > 0 ? [...maybe, ...timers] : [])];
    case 'done': {
      const { seen } = answer;
      if (!isRepeated(operation)) {
        const earlier = operation.action === 'move' && doubtful > 0 ? maybe : [];
        return [{ call: lastCall, ret, action, seen }, ...earlier, ...timers];
      }
      return [{ call, ret, action }, { call: lastCall, ret, action: { do: 'read' }, seen }, ...timers];
    }
  }
}

/** Whether the answer tells of an effect that an earlier attempt had. */
function isRepeated({ action, answer }: Operation): boolean {
  return answer?.kind === 'done' && (answer.replayed || (action === 'create' && answer.status === 200));
}

function isLook(action: Operation['action']): action is 'get' | 'find' | 'again' {
  return action === 'get' || action === 'find' || action === 'again';
}

function actionOf(operation: Operation): Action {
  const { action, number, agent } = operation;
  switch (action) {
    case 'create':
    case 'update':
      return { do: action, mark: number };
    case 'next':
    case 'assign':
      return { do: 'assign', agent: agent ?? '' };
    case 'get':
    case 'find':
    case 'again':
      return { do: 'read' };
    default:
      return { do: action };
  }
}

function refusalOf({ action, ifMatch, lastCall, answer }: Operation, ret: number): Step[] {
  if (answer?.kind !== 'refused') return [];
  if (answer.version !== undefined && ifMatch !== undefined) {
    return [{ call: lastCall, ret, action: { do: 'mismatch', expected: ifMatch, version: answer.version } }];
  }
  if (action === 'create') return [{ call: lastCall, ret, action: { do: 'absent' } }];
  if (answer.status === undefined || isLook(action) || action === 'next') return [];
  return [{ call: lastCall, ret, action: { do: 'refuse', command: action, status: answer.status } }];
}

function timersOf({ action, activationAt, expirationAt }: Operation): Step[] {
  if (action !== 'create') return [];
  const from = (at: number | undefined, timer: 'activateDue' | 'expire'): Step[] =>
    at === undefined ? [] : [{ call: at - clockSlackMs, ret: Number.POSITIVE_INFINITY, action: { do: timer } }];
  return [...from(activationAt, 'activateDue'), ...from(expirationAt, 'expire')];
}

export function stepText({ call, ret, action, seen }: Step): string {
  const { do: name, ...said } = action;
  const end = ret === Number.POSITIVE_INFINITY ? 'never known' : ret.toFixed(1);
  return `[${call.toFixed(1)} .. ${end}] ${name} ${JSON.stringify(said)}${seen ? ` -> ${stateText(seen)}` : ''}`;
}

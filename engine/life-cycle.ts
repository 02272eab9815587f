import { type Rejection, reject } from './rejection.js';
import type { Status } from './work-item.js';

/**
 * The life of a work item: the one table of what may happen in which state.
 *
 * ```
 *            classify            prioritize                 assign, next
 *   (new) ------------> (captured) ------> queued <------------------------> assigned
 *     ^  \                   |               ^  ^   unassign                    |
 *     |   \ no rule, error   | activation    |  |                               |
 *     |    v                 v lies ahead    |  | resume                        |
 *     | errorheld        scheduled ----------+  +--------- held <---------------+
 *     |    |  resume: classify again   activate,             ^  hold: from scheduled, queued, assigned
 *     |    +------------------+        its time comes        |
 *     |                                                      |
 *     |  from every open state:   complete -> completed    cancel -> canceled    reject -> rejected
 *     |  its time has come:       expire -> expired (never while somebody works on it)
 *     +-- restart: from the four ends, and from every open state in which nobody works on it
 *
 *   reprioritize, move: in every open state, which stays; move also brings an errorheld item into the queue
 *   delete: from everywhere, to nowhere
 * ```
 *
 * `new` and `captured` are passed through inside one decision; an item rests in them only in its history. Complete,
 * cancel and reject are three different ends: the work was done, is not wanted any more, must not be done.
 */
const table: Record<Step, readonly Status[]> = {
  classify: ['new'],
  prioritize: ['captured'],
  update: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  activate: ['scheduled'],
  assign: ['queued'],
  unassign: ['assigned'],
  hold: ['scheduled', 'queued', 'assigned'],
  resume: ['held', 'errorheld'],
  complete: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  cancel: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  reject: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  restart: ['scheduled', 'queued', 'held', 'errorheld', 'completed', 'canceled', 'rejected', 'expired'],
  expire: ['scheduled', 'queued', 'held', 'errorheld'],
  reprioritize: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  move: ['scheduled', 'queued', 'assigned', 'held', 'errorheld'],
  delete: [
    ...(['scheduled', 'queued', 'assigned', 'held', 'errorheld'] as const),
    ...(['completed', 'canceled', 'rejected', 'expired'] as const),
  ],
};

export type Step =
  | 'classify'
  | 'prioritize'
  | 'update'
  | 'activate'
  | 'assign'
  | 'unassign'
  | 'hold'
  | 'resume'
  | 'complete'
  | 'cancel'
  | 'reject'
  | 'restart'
  | 'expire'
  | 'reprioritize'
  | 'move'
  | 'delete';

const ends: ReadonlySet<Status> = new Set(['completed', 'canceled', 'rejected', 'expired']);

/** Whether the item has reached an end: it holds no slot in memory, only `restart` brings it back. */
export function isFinal(status: Status): boolean {
  return ends.has(status);
}

export function mayStep(status: Status, step: Step): boolean {
  return table[step].includes(status);
}

/** The commands that an item in this state accepts, in the table's order. */
export function allowedSteps(status: Status): Step[] {
  return (Object.keys(table) as Step[]).filter((step) => table[step].includes(status));
}

/** Undefined when `step` is legal in `status`, else a rejection that names the state and what is allowed in it. */
export function refuseStep(status: Status, step: Step): Rejection | undefined {
  if (mayStep(status, step)) return undefined;
  const allowed = allowedSteps(status).filter((name) => name !== 'expire');
  return reject(
    'illegal-transition',
    `cannot ${step} an item that is ${status}; allowed now: ${allowed.length > 0 ? allowed.join(', ') : 'nothing'}`,
    { facts: { itemStatus: status, allowed } },
  );
}

/** Where an item that is ready to be worked on rests: in the queue, or waiting for its activation time. */
export function readyStatus(activation: number | undefined, now: number): 'queued' | 'scheduled' {
  return activation !== undefined && activation > now ? 'scheduled' : 'queued';
}

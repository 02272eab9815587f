import { newItem } from '../decide.js';
import type { Event, ItemCreated, ItemMoved, ItemUpdated, Move } from '../event.js';
import { formatInstant } from '../instant.js';
import { isFinal, mayStep, readyStatus, type Step } from '../life-cycle.js';
import { contentOf, isSettingsReplaced } from '../settings.js';
import type { SettingsBundle } from '../settings-check.js';
import type { TenantState } from '../state.js';
import type { Draft, Instant, WorkItem } from '../work-item.js';
import type { World } from './world.js';

/** What each move asks of the item's state; those that are not here change no state. */
const stepOf: Partial<Record<Move, Step>> = {
  held: 'hold',
  resumed: 'resume',
  canceled: 'cancel',
  completed: 'complete',
  rejected: 'reject',
  restarted: 'restart',
  activated: 'activate',
  assigned: 'assign',
  unassigned: 'unassign',
};
/** What an agent does with the item in hand: it belongs to the turn, whichever item was given out in it. */
const ofTheTurn: ReadonlySet<Event['type']> = new Set(['completed', 'rejected', 'unassigned', 'held']);
const endsTheTurn: ReadonlySet<Event['type']> = new Set(['completed', 'rejected', 'unassigned', 'canceled']);

interface Given {
  id: string;
  category: string | null;
}

/**
 * Runs the events of a journal twice in virtual time: as they were, and as they would have been under a draft. What came
 * from outside stays: when items came in, when agents asked for the next one, and how long each had one in hand. Which
 * item the agent got is decided anew, by the same `next` that decided it then; it, and what follows from it, differs.
 *
 * An `assigned` event is a `next` when its item was the best of that instant; else somebody had assigned it by name.
 */
export class Replay {
  readonly #before: World;
  readonly #after: World;
  readonly #draft: SettingsBundle;
  readonly #top: number;
  /** The item that the draft's world gave out in place of this one; null: it had none. While somebody has it in hand. */
  readonly #instead = new Map<string, string | null>();
  readonly #examples: Record<string, unknown>[] = [];
  readonly #decisions = { taken: 0, different: 0, none: 0 };
  #now = 0;

  /** @param top examples of decisions that differ. */
  constructor(before: World, after: World, draft: SettingsBundle, top: number) {
    this.#before = before;
    this.#after = after;
    this.#draft = draft;
    this.#top = top;
  }

  /** The next event of the journal. */
  take(event: Event, seq: number): void {
    // An owner's clock may have been behind the one before it; time never goes back for an order.
    this.#now = Math.max(this.#now, event.at);
    const at = this.#now;
    this.#after.passTime(at);
    if (event.type === 'created') this.#create(event, seq, at);
    else if (event.type === 'updated') this.#update(event, at);
    else if (event.type === 'assigned') this.#assign(event, at);
    else if (isSettingsReplaced(event)) this.#publish(event, at);
    else if (event.type === 'deleted') this.#both({ ...event, at });
    else if ('id' in event) this.#move(event, at);
  }

  report(until: Instant): Record<string, unknown> {
    this.#after.passTime(until);
    const stillQueued = { before: this.#before.end(), after: this.#after.end() };
    const { taken, different, none } = this.#decisions;
    return {
      decisions: { taken, different, nothingToGive: none, examples: this.#examples },
      waiting: waitingOf(this.#before, this.#after),
      sla: {
        deadlines: { before: this.#before.deadlines, after: this.#after.deadlines },
        missed: { before: this.#before.missed, after: this.#after.missed },
      },
      stillQueued,
    };
  }

  #both(event: Event): void {
    this.#before.apply(event);
    this.#after.apply(event);
  }

  #create(event: ItemCreated, seq: number, at: Instant): void {
    this.#before.apply({ ...event, at });
    this.#after.apply({ ...event, at, item: this.#reclassified(event.item, seq, at) });
  }

  /** The item as the draft's rules take it in; as it was when the draft has no categories. */
  #reclassified(item: WorkItem, seq: number, at: Instant): WorkItem {
    if (this.#draft.categories === undefined) return item;
    const { state } = this.#after;
    state.seq = seq - 1;
    return newItem(state, asDraft(item, this.#before.state, at), at, item.id);
  }

  /** What the source says anew is the same in both worlds; what somebody did with the item is each world's own. */
  #update(event: ItemUpdated, at: Instant): void {
    this.#before.apply({ ...event, at });
    const own = this.#after.find(event.item.id);
    if (own === undefined || isFinal(own.status)) return;
    const { version, seq, status, assignedTo } = own;
    const said = this.#reclassified(event.item, seq, at);
    const inHand = status === 'assigned' || status === 'held';
    const category = inHand && said.status === 'errorheld' ? own.category : said.category;
    const next = inHand ? status : restingStatus(said, at);
    const item = { ...said, seq, version: version + 1, status: next, assignedTo, category };
    this.#after.apply({ ...event, at, item });
  }

  #assign(event: ItemMoved, at: Instant): void {
    const isNext = this.#before.best(at) === event.id;
    const given = this.#givenOf(this.#before, event.id);
    this.#before.apply({ ...event, at });
    const agentId = event.set?.assignedTo ?? '';
    if (!isNext) {
      const [done] = this.#after.decide({ type: 'assign', id: event.id, agentId }, at);
      this.#instead.set(event.id, done === undefined ? null : event.id);
      return;
    }
    this.#decisions.taken++;
    const best = this.#after.best(at);
    const instead = best === undefined ? null : this.#givenOf(this.#after, best);
    if (best !== undefined) this.#after.decide({ type: 'next', agentId }, at);
    this.#instead.set(event.id, best ?? null);
    if (best === event.id) return;
    if (best === undefined) this.#decisions.none++;
    else this.#decisions.different++;
    if (this.#examples.length < this.#top) {
      this.#examples.push({ at: formatInstant(at), agentId, before: given, after: instead });
    }
  }

  #givenOf(world: World, id: string): Given {
    return { id, category: world.find(id)?.category ?? null };
  }

  /** Anything else that happened to an item: to the one that took its place in the turn, or to itself. */
  #move(event: ItemMoved, at: Instant): void {
    const inHand = this.#before.find(event.id)?.status === 'assigned';
    this.#before.apply({ ...event, at });
    // The draft's world has timers of its own.
    if (event.type === 'expired' || (event.type === 'activated' && event.by === 'timer')) return;
    const instead = this.#instead.get(event.id);
    if (inHand && instead !== undefined) {
      if (endsTheTurn.has(event.type)) this.#instead.delete(event.id);
      if (ofTheTurn.has(event.type)) {
        if (instead !== null) this.#moveIn(instead, event, at);
        return;
      }
      // The item is withdrawn; the agent is free, whatever was in hand instead.
      if (event.type === 'canceled' && instead !== null && instead !== event.id) {
        this.#moveIn(instead, { ...event, type: 'completed', status: 'completed' }, at);
      }
    }
    this.#moveIn(event.id, event, at);
  }

  #moveIn(id: string, event: ItemMoved, at: Instant): void {
    const item = this.#after.find(id);
    const step = stepOf[event.type];
    if (item === undefined || (step !== undefined && !mayStep(item.status, step))) return;
    // Another category or priority leaves an item where it is, unless it had waited for a category.
    const stays = step === undefined && !(event.type === 'moved' && item.status === 'errorheld');
    const status = stays ? item.status : statusAfter(event, item, at);
    this.#after.apply({ ...event, id, at, version: item.version + 1, status });
  }

  #publish(event: Event, at: Instant): void {
    this.#before.apply({ ...event, at });
    if (isSettingsReplaced(event) && this.#draft[contentOf(event).kind] === undefined)
      this.#after.apply({ ...event, at });
  }
}

/** Where a move leads another item than its own: what is ready waits for that item's activation, not for the own one's. */
function statusAfter(event: ItemMoved, item: WorkItem, at: Instant): WorkItem['status'] {
  const { status } = event;
  return status === 'queued' || status === 'scheduled' ? readyStatus(item.activationDateTime, at) : status;
}

function restingStatus(item: WorkItem, at: Instant): WorkItem['status'] {
  return item.status === 'errorheld' ? 'errorheld' : readyStatus(item.activationDateTime, at);
}

/** What the source had said of the item: without what its category, by the rules of its day, had added. */
function asDraft(item: WorkItem, state: TenantState, at: Instant): Draft {
  const { category, dueDateTime, dueByCategory, stoppedMs: _stopped, ...said } = item;
  const draft: Draft = { ...said, ...(item.preclassified && { category }) };
  if (dueDateTime === undefined || dueByCategory) return draft;
  // A due time that the category would give by itself is taken for the category's.
  const byCategory = newItem(state, draft, at, item.id).dueDateTime;
  return byCategory === dueDateTime ? draft : { ...draft, dueDateTime };
}

/** Seconds from ready to handed out, by category, and the misses; the categories with most items first. */
function waitingOf(before: World, after: World): Record<string, unknown>[] {
  const names = new Set([...before.categories.keys(), ...after.categories.keys()]);
  const lines = [...names].map((category) => {
    const side = (world: World) => {
      const { waits, missed } = world.categories.get(category) ?? { waits: [], missed: 0 };
      return { handedOut: waits.length, ...percentiles(waits), missed };
    };
    return { category, before: side(before), after: side(after) };
  });
  return lines.sort((a, b) => b.before.handedOut - a.before.handedOut).slice(0, categoriesShown);
}

const categoriesShown = 100;

function percentiles(waits: readonly number[]): { p50Seconds: number | null; p95Seconds: number | null } {
  const sorted = Float64Array.from(waits).sort();
  const at = (share: number) => (sorted.length === 0 ? null : sorted[Math.ceil(sorted.length * share) - 1] / 1000);
  return { p50Seconds: at(0.5), p95Seconds: at(0.95) };
}

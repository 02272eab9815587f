import { decide } from '../decide.js';
import { isRejection } from '../rejection.js';
import { contentsOf, type SettingsBundle } from '../settings-check.js';
import type { StateOptions, TenantState } from '../state.js';
import type { StateCopy } from '../state-copy.js';
import type { Instant, WorkItem } from '../work-item.js';
import { compare, type Side } from './comparison.js';
import type { Question } from './question.js';
import { Reclassification } from './reclassification.js';
import { passTime, standingOf, turnsOf } from './standing.js';

/** What a simulation of the live queue rests on. */
export interface LiveQuestion {
  copy: StateCopy;
  options: StateOptions;
  question: Question;
  bundle: SettingsBundle;
  /** The instant of both orders: that of the question, or of the copy. */
  at: Instant;
  ratePerHour: number | undefined;
  /** Items that are classified by the draft's rules. */
  itemsMax: number;
}

/** Documents read at once for classification. */
const documentsARead = 500;

/**
 * Publishes the draft on a copy, by the very code that publishes settings, and compares the orders before and after.
 * `load` reads documents by id; `onProgress` hears how far it has come.
 */
export async function simulateLive(
  live: LiveQuestion,
  load: (ids: readonly string[]) => Promise<readonly WorkItem[]>,
  onProgress: (stage: string, done: number, of: number) => void,
): Promise<Record<string, unknown>> {
  const { copy, options, question, bundle, at, ratePerHour } = live;
  const before = open(copy, options, at);
  const ids = (slot: number) => after.table.idOf(slot);
  const sideBefore = sideOf(before, live);
  const after = open(copy, options, at);
  publish(after, bundle, at);
  const reclassification = bundle.categories && new Reclassification(after, at, question.reclassify, live.itemsMax);
  for (let batch = reclassification?.nextIds(documentsARead); batch?.length; ) {
    reclassification!.take(await load(batch));
    const { done, of } = reclassification!.progress;
    onProgress('classify', done, of);
    batch = reclassification!.nextIds(documentsARead);
  }
  const sideAfter = sideOf(after, live);
  const { windowMs, top } = question;
  const comparison = { at, windowMs, top, ratePerHour, before: sideBefore, after: sideAfter, idOf: ids };
  return { ...compare(comparison), ...(reclassification && { reclassified: reclassification.report(top) }) };
}

function open(copy: StateCopy, options: StateOptions, at: Instant): TenantState {
  const state = copy.open(options, at);
  passTime(state, at);
  return state;
}

/** Puts a draft in force at once, as `PUT /settings/import` does. */
export function publish(state: TenantState, bundle: SettingsBundle, at: Instant): void {
  const decision = decide(state, { type: 'importSettings', contents: contentsOf(bundle) }, at, neverNew);
  if (isRejection(decision)) throw new Error(decision.detail);
  for (const event of decision.events) state.apply(event);
  while (!state.stepRebuild(Number.MAX_SAFE_INTEGER, at));
}

function neverNew(): string {
  throw new Error('settings create no items');
}

/** The order first: finding out the turns empties the queue. */
function sideOf(state: TenantState, { at, question, ratePerHour }: LiveQuestion): Side {
  const standing = standingOf(state, at);
  if (ratePerHour === undefined) return { standing };
  return { standing, turns: turnsOf(state, at, at + question.windowMs, ratePerHour) };
}

import type { MessagePort } from 'node:worker_threads';
import { decodeBody } from '../engine/content.js';
import { isObject } from '../engine/draft.js';
import { type Fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { SettingsDocuments } from '../engine/settings.js';
import { checkBundle } from '../engine/settings-check.js';
import type { StateOptions } from '../engine/state.js';
import { StateCopy } from '../engine/state-copy.js';
import { simulateLive } from '../engine/what-if/live.js';
import { checkQuestion } from '../engine/what-if/question.js';
import type { Instant } from '../engine/work-item.js';
import { replayJournal } from './journal-replay.js';
import type { Journal } from './ports.js';
import type { Reply } from './request.js';
import type { SimulationSource } from './simulation-source.js';
import { beginCopy, type CopyMessage } from './state-sender.js';

/** Bounds of one simulation. */
export interface SimulationLimits {
  /** Waiting items whose documents are read, to classify them by a draft's rules. */
  itemsMax: number;
  /** Events of the journal that are read. */
  eventsMax: number;
}

/** What a simulation's thread gets. */
export interface SimulationTask {
  body: Uint8Array;
  now: Instant;
  /** The tenant's settings as it exports them. */
  inForce: SettingsDocuments;
  limits: SimulationLimits;
  stateOptions: StateOptions;
  /** Its other end is at the tenant's actor. */
  port: MessagePort;
  onProgress: (stage: string, done: number, of: number) => void;
}

/** Rows of the journal read at once, and how far back the rate is looked for. */
const rowsARead = 64;
const rateEventsMax = 20_000;
const rateMsMax = 24 * 3_600_000;

/** One what-if from its body to its answer. The draft is checked before anything is copied. */
export async function simulate(task: SimulationTask, source: SimulationSource): Promise<Reply> {
  const body = decodeBody(task.body);
  if (isRejection(body)) return body;
  const asked = checkQuestion(body, task.now);
  if ('faults' in asked) return refused('invalid-value', asked.faults);
  const draft = checkBundle(isObject(body) ? body : {}, task.inForce);
  if ('faults' in draft) return refused('invalid-settings', draft.faults);
  const { question } = asked;
  const received = await receiveCopy(task.port);
  if ('rejected' in received) return received;
  const { copy, at: copiedAt } = received;
  const { limits, stateOptions: options, onProgress } = task;
  if (question.journalHours !== undefined) {
    const { journalHours: hours, top } = question;
    const asked = { copy, copiedAt, draft: draft.bundle, hours, top, eventsMax: limits.eventsMax, options };
    return { status: 200, json: JSON.stringify(await replayJournal(asked, source, onProgress)) };
  }
  const at = Math.max(question.at ?? copiedAt, copiedAt);
  const ratePerHour = question.ratePerHour ?? (await measuredRate(source.journal, copy.seq, copiedAt));
  const live = { copy, options, question, bundle: draft.bundle, at, ratePerHour, itemsMax: limits.itemsMax };
  const answer = await simulateLive(live, (ids) => source.projection.load(ids), onProgress);
  return { status: 200, json: JSON.stringify(answer) };
}

function refused(code: 'invalid-value' | 'invalid-settings', faults: readonly Fault[]): Rejection {
  const [first] = faults as [Fault];
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return reject(code, `${first.pointer === '' ? '' : `${first.pointer}: `}${first.detail}${more}`, { faults });
}

/** Asks the actor for a copy and takes it in. */
async function receiveCopy(port: MessagePort): Promise<{ copy: StateCopy; at: Instant } | Rejection> {
  const copy = new StateCopy();
  return new Promise((resolve) => {
    const fail = (why: string) => resolve(reject('unavailable', `${why}; come again`, { retryAfterSeconds: 1 }));
    port.on('close', () => fail('the tenant’s shard went away'));
    port.on('message', (message: CopyMessage) => {
      if ('failed' in message) return fail(message.failed);
      copy.add(message.part);
      if (copy.isWhole) resolve({ copy, at: message.at });
    });
    port.postMessage(beginCopy);
  });
}

/**
 * Items completed in an hour, by the journal's last events: at most a day of them. Undefined when none was completed, or
 * when all of it took no time.
 */
async function measuredRate(
  journal: Pick<Journal, 'read'>,
  lastSeq: number,
  now: Instant,
): Promise<number | undefined> {
  let completed = 0;
  let since = now;
  for (let seq = Math.max(0, lastSeq - rateEventsMax); seq < lastSeq; ) {
    const rows = await journal.read(seq, rowsARead);
    if (rows.length === 0) break;
    for (const { events } of rows) {
      for (const { type, at } of events) {
        if (at < now - rateMsMax) continue;
        since = Math.min(since, at);
        if (type === 'completed') completed++;
      }
    }
    const last = rows[rows.length - 1];
    seq = last.seq + last.events.length - 1;
  }
  return completed === 0 || since === now ? undefined : (completed * 3_600_000) / (now - since);
}

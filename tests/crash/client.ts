import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../engine/work-item.js';
import type { Answer, Operation } from './history.js';
import type { Attempt, HttpAnswer, HttpClient } from './http-client.js';
import type { ItemState } from './item-model.js';

/** How one operation is asked for; the same request at each attempt. */
export interface Asked {
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Longest time for one operation with all its attempts. */
const operationMsMax = 60_000;
const pauseMsMin = 20;
const pauseMsMax = 250;
/** Share of operations that are given up after an attempt without an answer: their outcome stays unknown. */
const giveUpShare = 0.1;

/** Share of operations with a key whose every attempt is sent twice at once: both must come to one effect. */
const twinShare = 0.03;

/** Refusals that say that nothing was done, and to come again. */
const comeAgain = new Set(['unavailable', 'draining', 'too-many-requests', 'overloaded']);

/** The part of an item's answer that the model knows. */
interface ShownItem {
  id: string;
  captureId: string;
  status: Status;
  version: number;
  assignedTo: string | null;
  attributes: { mark: number };
}

/**
 * Carries one operation through to a known outcome: attempt after attempt with the same key, until an answer tells.
 * Fills in the operation's times, as the checkers need them.
 */
export class PatientClient {
  readonly #http: HttpClient;
  readonly #random: () => number;

  constructor(http: HttpClient, random: () => number) {
    this.#http = http;
    this.#random = random;
  }

  /** @param isWhole whether a success answers all of it; a bulk request may be done in part. */
  async carryOut(
    operation: Operation,
    asked: Asked,
    isWhole = (_: HttpAnswer) => true,
  ): Promise<HttpAnswer | undefined> {
    const { method, path, body } = asked;
    const headers = { ...asked.headers, ...(operation.key !== undefined && { 'idempotency-key': operation.key }) };
    const ask = () => this.#http.ask(method, path, body, headers);
    const isTwin = operation.key !== undefined && this.#random() < twinShare;
    const until = performance.now() + operationMsMax;
    for (let pauseMs = pauseMsMin; performance.now() < until; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      operation.attempts++;
      operation.lastCall = performance.now();
      if (operation.doubtful === 0) operation.call = operation.lastCall;
      const attempts = await Promise.all(isTwin ? [ask(), ask()] : [ask()]);
      const [attempt, other] = attempts.sort((a, b) => worthOf(b) - worthOf(a)) as [Attempt, Attempt?];
      const meaning = meaningOf(attempt, isWhole);
      if (other !== undefined && meaning === 'answered' && meaningOf(other, isWhole) === 'unknown')
        operation.doubtful++;
      if (meaning === 'answered') {
        operation.ret = performance.now();
        return attempt as HttpAnswer;
      }
      if (meaning === 'unknown') {
        operation.doubtful++;
        if (this.#random() < giveUpShare) return undefined;
      }
      await sleep(pauseMs * (0.5 + this.#random()));
    }
    return undefined;
  }
}

/** Of two answers to the same request, the one that tells more: of an effect of its own, of an effect, of anything. */
function worthOf(attempt: Attempt): number {
  if (attempt === 'unsent') return 0;
  if (attempt === 'lost') return 1;
  if (attempt.status === 429 || attempt.status === 503) return meaningOf(attempt, () => true) === 'unknown' ? 1 : 0;
  if (attempt.status >= 300 || attempt.status === 204) return 2;
  return attempt.replayed ? 3 : 4;
}

function meaningOf(attempt: Attempt, isWhole: (answer: HttpAnswer) => boolean): 'answered' | 'unknown' | 'nothing' {
  if (attempt === 'unsent') return 'nothing';
  if (attempt === 'lost') return 'unknown';
  const { status } = attempt;
  if (status < 300) return isWhole(attempt) ? 'answered' : 'unknown';
  if (status !== 429 && status !== 503) return 'answered';
  const { code } = JSON.parse(attempt.body) as { code: string };
  return comeAgain.has(code) ? 'nothing' : 'unknown';
}

/** Reads the answer to an operation on one item. */
export function readAnswer(http: HttpAnswer): { answer: Answer; captureId?: string } {
  const { status, replayed, body } = http;
  if (status === 204) return { answer: { kind: 'none' } };
  if (status === 200 || status === 201) {
    const item = JSON.parse(body) as ShownItem;
    return { answer: { kind: 'done', status, replayed, id: item.id, seen: seenOf(item) }, captureId: item.captureId };
  }
  if (status === 410) return { answer: { kind: 'gone' } };
  if (status === 404) return { answer: { kind: 'absent' } };
  const problem = JSON.parse(body) as { code: string; itemStatus?: Status; version?: number };
  const { code, itemStatus, version } = problem;
  if (code === 'invalid-value' && /"\/(expirationDateTime|until)"/.test(http.body))
    return { answer: { kind: 'refused', code } };
  if (status === 409 && itemStatus !== undefined) return { answer: { kind: 'refused', code, status: itemStatus } };
  if (status === 412 && version !== undefined) return { answer: { kind: 'refused', code, version } };
  return { answer: { kind: 'faulty', detail: `${status} ${body.slice(0, 300)}` } };
}

/** Reads the list of one captureId. */
export function readOnly(http: HttpAnswer): Answer {
  const list = readList(http);
  if ('kind' in list) return list;
  const [item] = list;
  if (item === undefined) return { kind: 'absent' };
  return list.length === 1 ? item.answer : { kind: 'faulty', detail: `${list.length} items with one captureId` };
}

/** Each item of a list, with what it says of it; of a list that calls itself stale nothing can be held against it. */
export function readList(http: HttpAnswer): Answer | { captureId: string; answer: Answer }[] {
  if (http.status !== 200) return { kind: 'faulty', detail: `${http.status} ${http.body.slice(0, 300)}` };
  const { items, stale } = JSON.parse(http.body) as { items: ShownItem[]; stale?: boolean };
  if (stale) return { kind: 'none' };
  return items.map((item) => ({
    captureId: item.captureId,
    answer: { kind: 'done', status: 200, replayed: false, id: item.id, seen: seenOf(item) },
  }));
}

function seenOf({ status, version, assignedTo, attributes }: ShownItem): ItemState {
  return { status, version, agent: assignedTo, mark: attributes.mark };
}

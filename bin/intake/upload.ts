import { randomUUID } from 'node:crypto';
import { pause } from './pause.js';
import type { Target } from './target.js';

/** What became of one item. */
export interface LineResult {
  /** 201 created; 200 there already (unchanged, or updated by an upsert); else refused with code and detail. */
  status: number;
  id?: string;
  code?: string;
  detail?: string;
}

export interface UploadOptions extends Target {
  mode: 'create' | 'upsert';
  /**
   * Whether to send an Idempotency-Key. The server then remembers every line under it, which costs a row each: for items
   * without a captureId only, since a captureId makes an item the same one however often it arrives.
   */
  keyed: boolean;
  signal?: AbortSignal;
  /** Called before each wait, with the reason. */
  onWait?: (reason: string, ms: number) => void;
}

const attemptsMax = 8;
const waitMsMax = 30_000;
const requestMsMax = 90_000;

interface Attempt {
  results: LineResult[];
  retryAfterMs?: number;
}

/** The server could not be reached, or answered something that no repetition changes (a wrong key, another service). */
export class UploadFailure extends Error {}

/**
 * Posts items in one batch and gives a result for each, in their order. Refusals that pass (429, 503, for the whole
 * batch or for single lines) are tried again, at most 8 times in all with what Retry-After asks for, at most 30 s. Lines
 * that are still refused keep that result; throws an UploadFailure when the whole batch is.
 */
export async function uploadBatch(items: readonly object[], options: UploadOptions): Promise<LineResult[]> {
  const results: LineResult[] = items.map(() => ({ status: 0 }));
  const all = items.map((_, i) => i);
  const key = options.keyed ? randomUUID() : undefined;
  let open = all;
  for (let attempt = 1; open.length > 0; attempt++) {
    const batch = open.map((i) => items[i]!);
    const answer = await tryOnce(batch, key, options, attempt);
    answer.results.forEach((result, i) => {
      results[open[i]!] = result;
    });
    const again = open.filter((i) => passes(results[i]!));
    if (again.length === 0 || attempt >= attemptsMax) break;
    await wait(answer.retryAfterMs ?? backoffMs(attempt), results[again[0]!]!.detail ?? 'busy', options);
    // A key belongs to a line's number: the whole batch goes again, and what was done answers as it did.
    open = key ? all : again;
  }
  if (results.length > 0 && results.every(passes)) {
    throw new UploadFailure(`${options.base} answered ${results[0]!.status}: ${results[0]!.detail ?? ''}`);
  }
  return results;
}

/** A refusal that may be gone in a moment. */
const passes = ({ status }: LineResult) => status === 429 || status === 503;

/** A lost connection counts as 503 while attempts are left. */
async function tryOnce(
  items: object[],
  key: string | undefined,
  options: UploadOptions,
  attempt: number,
): Promise<Attempt> {
  try {
    return await post(items, key, options);
  } catch (error) {
    if (error instanceof UploadFailure || options.signal?.aborted) throw error;
    const detail = reasonOf(error);
    if (attempt >= attemptsMax) throw new UploadFailure(`${options.base}: ${detail}`);
    return { results: items.map(() => ({ status: 503, code: 'unreachable', detail })) };
  }
}

async function post(
  items: object[],
  key: string | undefined,
  { base, apiKey, mode, signal }: UploadOptions,
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(requestMsMax);
  const response = await fetch(`${base}/workitems/bulk?mode=${mode}`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey, 'content-type': 'application/x-ndjson', ...(key && { 'idempotency-key': key }) },
    body: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  const text = await response.text();
  const body = parse(text);
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined;
  if (response.ok && Array.isArray(body.results) && body.results.length === items.length) {
    return { results: body.results as LineResult[], retryAfterMs };
  }
  const detail = String(body.detail ?? body.title ?? text.slice(0, 200));
  if (response.status === 429 || response.status === 503) {
    const result = { status: response.status, code: String(body.code ?? ''), detail };
    return { results: items.map(() => result), retryAfterMs };
  }
  throw new UploadFailure(`${base} answered ${response.status}: ${detail}`);
}

function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    // A proxy's page: its text goes into the message.
    return {};
  }
}

function backoffMs(attempt: number): number {
  return 250 * 2 ** attempt * (0.5 + Math.random() / 2);
}

function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}

async function wait(ms: number, reason: string, { signal, onWait }: UploadOptions): Promise<void> {
  const bounded = Math.min(ms, waitMsMax);
  onWait?.(reason, bounded);
  await pause(bounded, signal);
}

import type { Target } from './target.js';

/** A refusal as the API gives it (problem document), or a lost connection with status 0. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number;

  constructor(status: number, code: string, message: string, retryAfterMs: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may be answered in a moment. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

const answerMsMax = 30_000;

/** Small JSON requests to the API, one at a time a caller; remembers the slowest answer. */
export class ApiClient {
  readonly target: Target;
  /** Milliseconds of the slowest answer so far. */
  slowestMs = 0;

  constructor(target: Target) {
    this.target = target;
  }

  /** @returns the body, undefined for an answer without one; throws an ApiProblem for anything but 2xx. */
  async request<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<T | undefined> {
    const started = performance.now();
    const { response, text } = await this.#fetch(method, path, body);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - started);
    const parsed = parse(text);
    if (response.ok && (text === '') === (parsed === undefined)) return parsed as T | undefined;
    const { code, detail, errors } = (parsed ?? {}) as {
      code?: string;
      detail?: string;
      errors?: { pointer: string; detail: string }[];
    };
    const faults = (errors ?? []).map((fault) => ` ${fault.pointer}: ${fault.detail}`).join(';');
    const retryAfterMs = Number(response.headers.get('retry-after') ?? 1) * 1000 || 1000;
    const message = `${method} ${path} answered ${response.status}: ${detail ?? text.slice(0, 200)}${faults}`;
    throw new ApiProblem(response.status, code ?? '', message, retryAfterMs);
  }

  async #fetch(method: string, path: string, body: unknown): Promise<{ response: Response; text: string }> {
    try {
      const response = await fetch(`${this.target.base}${path}`, {
        method,
        headers: { 'x-api-key': this.target.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answerMsMax),
      });
      return { response, text: await response.text() };
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message;
      throw new ApiProblem(0, 'unreachable', `${method} ${this.target.base}${path}: ${cause}`, 1000);
    }
  }
}

function parse(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    // A proxy's page; the caller shows the text.
    return undefined;
  }
}

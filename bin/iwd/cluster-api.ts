import { readFileSync } from 'node:fs';
import { clusterKeyPath } from '../cluster-key.js';
import { targetBase } from '../intake/target.js';

const answerMsMax = 60_000;

export interface ClusterOptions {
  url?: string;
  keyFile?: string;
}

/** A running server, called with the cluster key: of the file given, of IWD_CLUSTER_APIKEY, or of the data folder. */
export class ClusterApi {
  readonly #base: string;
  readonly #key: string;

  /** Throws with a sentence that says what to give. */
  constructor({ url, keyFile }: ClusterOptions, env: NodeJS.ProcessEnv = process.env) {
    this.#base = targetBase(url, env);
    this.#key = findKey(keyFile, env);
  }

  /** The answer's document; throws what the server refuses, with every fault that it tells. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: { 'x-api-key': this.#key, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(answerMsMax),
    }).catch((error: Error) => {
      throw new Error(`${this.#base} does not answer: ${(error.cause as Error | undefined)?.message ?? error.message}`);
    });
    const text = await response.text();
    if (response.ok) return text === '' ? undefined : (JSON.parse(text) as unknown);
    throw new Error(refusal(response.status, text));
  }
}

function findKey(keyFile: string | undefined, env: NodeJS.ProcessEnv): string {
  if (keyFile !== undefined) return readFileSync(keyFile, 'utf8').trim();
  if (env.IWD_CLUSTER_APIKEY) return env.IWD_CLUSTER_APIKEY;
  const path = clusterKeyPath(env.IWD_DATA_DIR || './data');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    throw new Error(`no cluster key: set IWD_CLUSTER_APIKEY, give --key-file, or start here, where ${path} is`);
  }
}

interface ProblemText {
  detail?: string;
  errors?: { pointer: string; detail: string }[];
}

function refusal(status: number, text: string): string {
  let problem: ProblemText = {};
  try {
    problem = JSON.parse(text) as ProblemText;
  } catch {
    // Not a problem document: something else answers there.
  }
  const faults = (problem.errors ?? []).map(({ pointer, detail }) => `  ${pointer}: ${detail}`);
  return [`refused (${status}): ${problem.detail ?? 'the answer is none of the engine’s'}`, ...faults].join('\n');
}

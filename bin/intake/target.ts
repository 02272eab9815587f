import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Which server a command line client talks to, and with which key. */
export interface Target {
  /** With the base path, without a slash at the end: `http://127.0.0.1:4024/iwd/v3`. */
  base: string;
  apiKey: string;
}

/** Where the server leaves the demo tenant's key, as its settings say it. */
export function demoKeyPath(env: NodeJS.ProcessEnv): string {
  return join(env.IWD_DATA_DIR || './data', 'demo-apikey');
}

/** @returns the URL with base path: from the option, IWD_URL, or IWD_PORT on this machine. Throws when it is none. */
export function targetBase(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const text = option ?? (env.IWD_URL || `http://127.0.0.1:${env.IWD_PORT || 4024}`);
  if (!/^https?:\/\/[^\s/]/.test(text) || !URL.canParse(text)) {
    throw new Error(`"${text}" is no URL of a server; expected one such as http://127.0.0.1:4024`);
  }
  return `${text.replace(/\/+$/, '').replace(/\/iwd\/v3$/, '')}/iwd/v3`;
}

/** @returns the key from the option, IWD_API_KEY, IWD_DEMO_APIKEY or the demo tenant's file; undefined: none. */
export function findApiKey(option: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const given = option ?? (env.IWD_API_KEY || env.IWD_DEMO_APIKEY);
  if (given) return given;
  try {
    return readFileSync(demoKeyPath(env), 'utf8').trim() || undefined;
  } catch {
    // No file, or not ours to read: the caller says which ways there are to give a key.
    return undefined;
  }
}

/** Both at once; throws with a sentence that says what to give. */
export function findTarget(options: { url?: string; 'api-key'?: string }, env: NodeJS.ProcessEnv): Target {
  const base = targetBase(options.url, env);
  const apiKey = findApiKey(options['api-key'], env);
  if (!apiKey) {
    throw new Error(`no API key: give --api-key, set IWD_API_KEY, or start here, where ${demoKeyPath(env)} is`);
  }
  return { base, apiKey };
}

import { parseArgs } from 'node:util';
import type { SchemaDocument } from '../engine/schema.js';
import { type CityItem, cityItems } from '../examples/city-items.js';
import { drawRequests, randomNumbers } from '../examples/city-requests.js';
import { cityCategories, citySchemas } from '../examples/city-settings.js';
import { readNyc311, requestsMax } from '../examples/nyc-311.js';
import { runAgents, type Tally } from './demo/agents.js';
import { isUp, LocalServer } from './demo/local-server.js';
import { type QueueAnswer, queueLines, Screen, span } from './demo/queue-view.js';
import { ApiClient } from './intake/api-client.js';
import { pause } from './intake/pause.js';
import { ProgressBar } from './intake/progress.js';
import { demoKeyPath, findApiKey, targetBase } from './intake/target.js';
import { uploadBatch } from './intake/upload.js';

const help = `npm run demo [-- options]

A city's service requests go through the engine: categories and three prioritization schemas are set, the requests come
in, then you watch the head of the queue while simulated agents pull, complete and hold items. A running server is
used; without one, the demo starts its own and stops it at the end. It replaces the demo tenant's categories. Ctrl-C
ends it at any time; repeat it as often as you like.

  --csv FILE        an export of NYC 311 service requests as the city publishes it; without it a seeded generator
  --count N         requests to generate, or at most to read (default 2000)
  --seed N          seed of generator and agents (default 1)
  --agents N        simulated agents (default 6)
  --duration N      seconds to watch (default 30)
  --url URL         server to use (default: IWD_URL, or http://127.0.0.1:4024)
  --api-key KEY     default: IWD_API_KEY, IWD_DEMO_APIKEY, or the file <IWD_DATA_DIR>/demo-apikey
  --help`;

interface Options {
  csv?: string;
  count: number;
  seed: number;
  agents: number;
  durationMs: number;
  url?: string;
  apiKey?: string;
}

const batchItems = 200;
const headItems = 20;

function readOptions(args: string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      csv: text,
      count: text,
      seed: text,
      agents: text,
      duration: text,
      url: text,
      'api-key': text,
      help: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  const whole = (name: 'count' | 'seed' | 'agents' | 'duration', standard: number, max: number) => {
    const value = values[name] ?? String(standard);
    if (!/^\d{1,9}$/.test(value) || Number(value) > max) {
      throw new Error(`--${name} takes a whole number up to ${max}, not "${value}"`);
    }
    return Number(value);
  };
  return {
    csv: values.csv,
    count: whole('count', values.csv ? requestsMax : 2000, requestsMax),
    seed: whole('seed', 1, 999_999_999),
    agents: whole('agents', 6, 200),
    durationMs: whole('duration', 30, 86_400) * 1000,
    url: values.url ?? (process.env.IWD_URL || undefined),
    apiKey: values['api-key'],
  };
}

/** Finds a running server or starts one of its own; a server named by the caller must be running. */
async function findServer(options: Options, signal: AbortSignal): Promise<{ base: string; own?: LocalServer }> {
  const base = targetBase(options.url, process.env);
  const origin = base.replace(/\/iwd\/v3$/, '');
  if (await isUp(`${origin}/livez`)) return { base };
  if (options.url) throw new Error(`nothing answers at ${origin}/livez`);
  console.log('no server is running: starting one (its first start takes a few seconds)');
  const own = new LocalServer(origin, { IWD_LOG_LEVEL: 'warn', ...process.env });
  try {
    await own.ready(60_000, signal);
  } catch (error) {
    await own.stop();
    throw error;
  }
  return { base, own };
}

/** The requests as work items, the last one created now by the server's clock, which refuses times ahead of it. */
async function loadItems({ csv, count, seed }: Options, base: string): Promise<CityItem[]> {
  const { requests, problems } = csv
    ? await readNyc311(csv, count)
    : { requests: drawRequests(count, seed), problems: [] };
  for (const { line, detail } of problems.slice(0, 5)) console.error(`${csv} line ${line}: ${detail}`);
  if (problems.length > 5) console.error(`${problems.length} rows were left out`);
  if (requests.length === 0) throw new Error('there is not one request to show');
  const answer = await fetch(`${base}/livez`);
  await answer.arrayBuffer();
  const serverNow = Date.parse(answer.headers.get('date') ?? '') || Date.now();
  return cityItems(requests, { now: Math.min(serverNow, Date.now()), run: Date.now().toString(36) });
}

/** Schemas first, since categories name them; schemas of others stay, since their categories' items may be open. */
async function putSettings(client: ApiClient): Promise<void> {
  const current = await client.request<{ schemas?: SchemaDocument[] }>('GET', '/settings/prioritization');
  const ours = new Set(citySchemas.map(({ id }) => id));
  const others = (current?.schemas ?? []).filter(({ id }) => !ours.has(id));
  await client.request('PUT', '/settings/prioritization', { schemas: [...citySchemas, ...others] });
  await client.request('PUT', '/settings/categories', { categories: cityCategories });
}

async function ingest(items: CityItem[], { target }: ApiClient, signal: AbortSignal): Promise<number> {
  const bar = new ProgressBar(process.stdout);
  const started = performance.now();
  let done = 0;
  const note = () => `${done} of ${items.length} requests in`;
  for (let from = 0; from < items.length && !signal.aborted; from += batchItems) {
    const batch = items.slice(from, from + batchItems);
    const results = await uploadBatch(batch, { ...target, mode: 'create', keyed: false, signal });
    const refused = results.find(({ status }) => status >= 400);
    if (refused) throw new Error(`a request was refused: ${refused.code} ${refused.detail}`);
    done += results.length;
    bar.show(done / items.length, note());
  }
  bar.end(done / items.length, `${note()}, ${((performance.now() - started) / 1000).toFixed(2)} s`);
  return done;
}

/** Redraws the head of the queue until the signal comes. */
async function watch(client: ApiClient, tally: Tally, endsAt: number, signal: AbortSignal): Promise<void> {
  const screen = new Screen(process.stdout);
  while (!signal.aborted) {
    const queue = await client.request<QueueAnswer>('GET', `/queue?limit=${headItems}`);
    const width = process.stdout.isTTY ? (process.stdout.columns ?? 100) : 160;
    const left = span(Math.max(0, endsAt - performance.now()));
    const head = `${tally.completed} completed, ${tally.held} held, ${left} to go${process.stdout.isTTY ? ' (Ctrl-C ends)' : ''}`;
    screen.draw(['', head, ...queueLines(queue ?? { at: new Date().toISOString(), items: [] }, width)]);
    await pause(process.stdout.isTTY ? 500 : 5000, signal);
  }
}

/** Items that wait in the queue now; stops counting at 100,000. */
async function countQueued(client: ApiClient): Promise<string> {
  let count = 0;
  let cursor: string | null | undefined;
  for (let page = 0; page < 100; page++) {
    const next = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const list = await client.request<{ items: unknown[]; next: string | null }>(
      'GET',
      `/workitems?status=queued&limit=1000${next}`,
    );
    count += list?.items.length ?? 0;
    cursor = list?.next;
    if (!cursor) return String(count);
  }
  return `more than ${count}`;
}

async function play(options: Options, base: string, stop: AbortSignal): Promise<void> {
  const apiKey = findApiKey(options.apiKey, process.env);
  if (!apiKey)
    throw new Error(`no API key: give --api-key, set IWD_API_KEY, or start where ${demoKeyPath(process.env)} is`);
  const client = new ApiClient({ base, apiKey });
  const items = await loadItems(options, base);
  await putSettings(client);
  const ingested = await ingest(items, client, stop);
  const tally: Tally = { pulled: 0, completed: 0, held: 0, waits: 0 };
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), options.durationMs);
  const signal = AbortSignal.any([stop, over.signal]);
  // Whoever fails ends the shift of the others too: nothing is left running behind the message.
  const endAll = (error: unknown) => {
    over.abort();
    throw error;
  };
  const shift = { client, count: options.agents, random: randomNumbers(options.seed), signal };
  const endsAt = performance.now() + options.durationMs;
  try {
    await Promise.all([runAgents(shift, tally).catch(endAll), watch(client, tally, endsAt, signal).catch(endAll)]);
  } finally {
    clearTimeout(timer);
  }
  const queued = await countQueued(client);
  console.log(
    `\ningested ${ingested}, completed ${tally.completed}, held ${tally.held}, left in the queue ${queued}; ` +
      `slowest answer ${client.slowestMs.toFixed(0)} ms${tally.waits ? `, ${tally.waits} waits for a busy server` : ''}`,
  );
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') return console.log(help);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  const { base, own } = await findServer(options, stop.signal);
  try {
    await play(options, base, stop.signal);
  } catch (error) {
    // Ctrl-C before the requests are in cuts the upload short; anything else is a fault, at any time.
    if ((error as Error).name !== 'AbortError') throw error;
  } finally {
    const code = await own?.stop();
    if (own) console.log(code === 0 ? 'server stopped' : `the server ended with code ${code}:\n${own.output}`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`\ndemo: ${(error as Error).message}`);
  process.exitCode = 1;
}

import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { aboutRun } from './about.js';
import { type ManyDatabases, startManyDatabases } from './many-databases.js';
import { rounded } from './measure.js';
import { type Plot, svgOf } from './plot.js';
import { BenchTenant, noSnapshots } from './tenant.js';

const help = `node dist/bench/scale.js [--smoke] [--ms N] [--json FILE] [--svg FILE] [--help]

How throughput and latency change with the number of tenants (1, 10, 100) and of open items (10,000, 100,000,
1,000,000 of one tenant). The tenants' actors run in this one process, each on a database of its own of one real
Postgres, without HTTP and without a thread of their own (the server serves one tenant yet). 64 callers in all, each
asks as soon as it is answered: single items of 1 KB, then pairs of next and complete. Measured once each.

  --smoke      the same in miniature
  --ms N       milliseconds of each phase, 5000 unless told
  --json FILE  also writes the result there
  --svg FILE   the growth curves as a picture`;

export interface ScaleOptions {
  tenants: number[];
  openItems: number[];
  /** Items of each tenant, all tenants together, before the load begins. */
  itemsOfTenants: number;
  callers: number;
  warmUpMs: number;
  ms: number;
}

export const fullScale: ScaleOptions = {
  tenants: [1, 10, 100],
  openItems: [10_000, 100_000, 1_000_000],
  itemsOfTenants: 100_000,
  callers: 64,
  warmUpMs: 2000,
  ms: 5000,
};

export const smokeScale: ScaleOptions = {
  tenants: [2],
  openItems: [500, 1500],
  itemsOfTenants: 1000,
  callers: 4,
  warmUpMs: 0,
  ms: 80,
};

/** CPU and lag are of this process, callers included; the follower's work that comes after the load is in the CPU. */
export interface ScaleRow {
  tenants: number;
  openItems: number;
  load: 'create' | 'next + complete';
  itemsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  nodeUs: number;
  postgresUs?: number;
  lagP99Ms: number;
}

const lagResolutionMs = 10;

/** First the tenants, then the growth of one. */
export async function run(options: ScaleOptions): Promise<{ tenants: ScaleRow[]; growth: ScaleRow[] }> {
  const postgres = await startManyDatabases();
  try {
    const tenants: ScaleRow[] = [];
    for (const count of options.tenants) tenants.push(...(await runTenants(postgres, count, options)));
    return { tenants, growth: await runGrowth(postgres, options) };
  } finally {
    await postgres.stop();
  }
}

async function runTenants(postgres: ManyDatabases, count: number, options: ScaleOptions): Promise<ScaleRow[]> {
  const tenants: BenchTenant[] = [];
  for (let at = 0; at < count; at++) tenants.push(await open(postgres, `tenant_${count}_${at}`));
  for (const tenant of tenants) await tenant.fill(options.itemsOfTenants / count);
  const rows = await measureBoth(postgres, tenants, options.itemsOfTenants, options);
  await Promise.all(tenants.map((tenant) => tenant.drain()));
  return rows;
}

async function runGrowth(postgres: ManyDatabases, options: ScaleOptions): Promise<ScaleRow[]> {
  const tenant = await open(postgres, 'growth');
  const rows: ScaleRow[] = [];
  for (const wanted of options.openItems) {
    await tenant.fill(Math.max(0, wanted - tenant.openItems));
    rows.push(...(await measureBoth(postgres, [tenant], wanted, options)));
  }
  await tenant.drain();
  return rows;
}

async function open(postgres: ManyDatabases, name: string): Promise<BenchTenant> {
  const tenant = new BenchTenant(name, await postgres.create(name), noSnapshots);
  await tenant.start();
  return tenant;
}

async function measureBoth(
  postgres: ManyDatabases,
  tenants: readonly BenchTenant[],
  openItems: number,
  options: ScaleOptions,
): Promise<ScaleRow[]> {
  const rows: ScaleRow[] = [];
  for (const load of ['create', 'next + complete'] as const) {
    await settle(tenants);
    if (options.warmUpMs > 0) await drive(tenants, load, options.callers, options.warmUpMs);
    await settle(tenants);
    rows.push({ tenants: tenants.length, openItems, load, ...(await measure(postgres, tenants, load, options)) });
  }
  return rows;
}

async function measure(
  postgres: ManyDatabases,
  tenants: readonly BenchTenant[],
  load: ScaleRow['load'],
  { callers, ms }: ScaleOptions,
): Promise<Omit<ScaleRow, 'tenants' | 'openItems' | 'load'>> {
  const lag = monitorEventLoopDelay({ resolution: lagResolutionMs });
  const cpuBefore = process.cpuUsage();
  const postgresBefore = postgres.cpuSeconds();
  lag.enable();
  const sorted = await drive(tenants, load, callers, ms);
  lag.disable();
  await settle(tenants);
  const { user, system } = process.cpuUsage(cpuBefore);
  const postgresAfter = postgres.cpuSeconds();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return {
    itemsPerSecond: (sorted.length * 1000) / ms,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    nodeUs: (user + system) / sorted.length,
    ...(postgresBefore !== undefined && {
      postgresUs: ((postgresAfter! - postgresBefore) * 1e6) / sorted.length,
    }),
    lagP99Ms: Math.max(0, lag.percentile(99) / 1e6 - lagResolutionMs),
  };
}

/** Latencies in ms of what was answered in time, ascending. A caller goes from tenant to tenant. */
async function drive(
  tenants: readonly BenchTenant[],
  load: ScaleRow['load'],
  callers: number,
  ms: number,
): Promise<Float64Array> {
  const latencies: number[] = [];
  const endAt = performance.now() + ms;
  const caller = async (at: number) => {
    for (let turn = at; performance.now() < endAt; turn += callers) {
      const tenant = tenants[turn % tenants.length]!;
      const from = performance.now();
      await (load === 'create' ? tenant.create() : tenant.takeAndComplete());
      const now = performance.now();
      if (now <= endAt) latencies.push(now - from);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, at) => caller(at)));
  return Float64Array.from(latencies).sort();
}

async function settle(tenants: readonly BenchTenant[]): Promise<void> {
  for (const tenant of tenants) await tenant.projected();
}

/** Rates and latencies over the open items, and over the tenants. */
export function plotsOf({ tenants, growth }: { tenants: ScaleRow[]; growth: ScaleRow[] }): Plot[] {
  const plot = (rows: ScaleRow[], by: 'openItems' | 'tenants', measure: 'itemsPerSecond' | 'p99Ms'): Plot => ({
    title: measure === 'p99Ms' ? 'Latency, p99' : 'Throughput',
    xTitle: by === 'tenants' ? 'tenants' : 'open items of one tenant',
    yTitle: measure === 'p99Ms' ? 'ms' : 'a second',
    x: [...new Set(rows.map((row) => row[by]))],
    curves: (['create', 'next + complete'] as const).map((load) => ({
      name: load,
      y: rows.filter((row) => row.load === load).map((row) => row[measure]),
    })),
  });
  return (['itemsPerSecond', 'p99Ms'] as const).flatMap((measure) => [
    plot(growth, 'openItems', measure),
    plot(tenants, 'tenants', measure),
  ]);
}

async function main(): Promise<void> {
  const [flag, text] = [{ type: 'boolean' }, { type: 'string' }] as const;
  const { values } = parseArgs({ options: { smoke: flag, help: flag, ms: text, json: text, svg: text } });
  if (values.help) {
    console.log(help);
    return;
  }
  const options = { ...(values.smoke ? smokeScale : fullScale), ...(values.ms && { ms: Number(values.ms) }) };
  const result = await run(options);
  const [tenants, growth] = [result.tenants.map(rounded), result.growth.map(rounded)];
  console.table([...tenants, ...growth]);
  if (values.svg) writeFileSync(values.svg, svgOf(plotsOf(result)));
  if (values.json) {
    writeFileSync(values.json, `${JSON.stringify({ ...aboutRun('scale'), options, tenants, growth }, null, 2)}\n`);
  }
}

if (process.argv[1] === import.meta.filename) await main();

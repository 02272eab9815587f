import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '../../actors/client.js';
import { defaultOptions } from '../../actors/options.js';
import type { TenantQuotas } from '../../actors/ports.js';
import type { Answer, Request } from '../../actors/request.js';
import { placesOf } from '../../bin/places.js';
import type { ShardConfig } from '../../bin/shard.js';
import { query } from '../../stores/conformance/test-database.js';
import { connect } from '../../stores/postgres/connection.js';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';

export interface TownOptions {
  tenants: number;
  connectionsMax?: number;
  idleMs?: number;
  quotas?: TenantQuotas;
  /** Where tenant `index` finds its database; the server's own address unless told. */
  urlOf?: (url: string, index: number) => string;
}

function databaseUrl(server: string, name: string): string {
  return Object.assign(new URL(server), { pathname: `/${name}` }).href;
}

/** What `town-server.ts` is told. */
export interface TownServerOptions {
  /** URL of the Postgres. */
  server: string;
  tenants: number;
  quotasOf?: Record<string, TenantQuotas>;
  /** One tenant's database is found at another port. */
  moved?: { index: number; port: number };
}

/** The API key of a town's tenant. */
export function keyOf(tenantId: string): string {
  return `key-of-${tenantId}`;
}

/** Copies of databases take as long as the disk takes. */
async function asAdmin(
  server: string,
  work: (run: (text: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const client = await connect(server, { statementTimeoutMs: 0, queryTimeoutMs: 0, lockTimeoutMs: 0 });
  try {
    await work((text) => client.query(text));
  } finally {
    await client.end();
  }
}

/**
 * Many tenants on the real shard threads of this process, each in a database of its own on one Postgres. Databases are
 * copies of a migrated one, and go with `stop`.
 */
export class TenantTown {
  readonly client: Client;
  readonly ids: readonly string[];
  readonly #server: string;
  readonly #prefix: string;
  readonly #dir: string;
  readonly #alive: NodeJS.Timeout;

  private constructor(server: string, prefix: string, options: TownOptions) {
    this.#server = server;
    this.#prefix = prefix;
    this.#dir = mkdtempSync(join(tmpdir(), 'iwd-town-'));
    this.ids = Array.from({ length: options.tenants }, (_, i) => `t${i}`);
    const workerData: ShardConfig = {
      redisUrl: undefined,
      registryUrl: databaseUrl(server, `${prefix}_registry`),
      snapshotDir: this.#dir,
      url: 'http://127.0.0.1:0',
      options: defaultOptions,
      places: placesOf(options.connectionsMax ?? 64, 1),
      idleMs: options.idleMs ?? 300_000,
    };
    this.client = new Client({
      shardFile: new URL('../../bin/shard.js', import.meta.url),
      shardCount: 1,
      tenants: this.ids.map((id, index) => {
        const databaseUrl = this.databaseUrl(index);
        return { id, databaseUrl: options.urlOf?.(databaseUrl, index) ?? databaseUrl, quotas: options.quotas };
      }),
      workerData,
      timeoutMs: 10_000,
      log: () => {},
    });
    // The engine's own timers keep no process alive.
    this.#alive = setInterval(() => {}, 1000);
  }

  /** Resolves when every tenant has been started once. */
  static async start(server: string, options: TownOptions): Promise<TenantTown> {
    const prefix = `iwd_town_${randomBytes(4).toString('hex')}`;
    await query(server, `CREATE DATABASE ${prefix}_template TEMPLATE template0`);
    await migrate(databaseUrl(server, `${prefix}_template`));
    await query(server, `CREATE DATABASE ${prefix}_registry TEMPLATE template0`);
    await migrate(databaseUrl(server, `${prefix}_registry`), () => {}, clusterMigrations);
    await asAdmin(server, async (run) => {
      for (let i = 0; i < options.tenants; i++) await run(`CREATE DATABASE ${prefix}_${i} TEMPLATE ${prefix}_template`);
    });
    const town = new TenantTown(server, prefix, options);
    while (!(await town.client.ready()).ready) await new Promise((resolve) => setTimeout(resolve, 20));
    return town;
  }

  databaseUrl(index: number): string {
    return databaseUrl(this.#server, `${this.#prefix}_${index}`);
  }

  /** Milliseconds until the answer; throws when it is a refusal. */
  async ask(id: string, request: Request): Promise<{ ms: number; answer: Answer }> {
    const at = performance.now();
    const answer = await this.client.request(id, request);
    if (answer.rejected) throw new Error(`${id}: ${answer.code}: ${answer.detail}`);
    return { ms: performance.now() - at, answer };
  }

  create(id: string, captureId: string): Promise<{ ms: number; answer: Answer }> {
    const body = new TextEncoder().encode(JSON.stringify({ captureId, attributes: { text: 'x'.repeat(500) } }));
    return this.ask(id, { op: 'create', mode: 'create', body });
  }

  /** Sessions that Postgres has open for the tenants, by its own list. */
  async sessions(): Promise<number> {
    const [row] = await query(
      this.#server,
      `SELECT count(*) AS n FROM pg_stat_activity WHERE datname LIKE $1 AND pid <> pg_backend_pid()`,
      [`${this.#prefix.replaceAll('_', '\\_')}%`],
    );
    return Number(row!.n);
  }

  async conditions(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const condition of Object.values((await this.client.ready()).tenants)) {
      counts[condition] = (counts[condition] ?? 0) + 1;
    }
    return counts;
  }

  async stop(): Promise<void> {
    await this.client.drain(5000);
    clearInterval(this.#alive);
    const names = ['template', 'registry', ...this.ids.keys()];
    await asAdmin(this.#server, async (run) => {
      for (const name of names) await run(`DROP DATABASE IF EXISTS ${this.#prefix}_${name} WITH (FORCE)`);
    });
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

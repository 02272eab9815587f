import { randomBytes } from 'node:crypto';
import { query } from '../stores/conformance/test-database.js';

/** An answer, whatever its status. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are JSON of many shapes, and a test says what it expects of them
  body: any;
}

export async function call(
  server: { url: string },
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Reply> {
  const response = await fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': key, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text === '' ? undefined : JSON.parse(text) };
}

/** Where the tests' Postgres is, as a provisioning body says it. */
export function testPostgres(): { host: string; port: number; user: string; password: string } {
  const url = new URL(process.env.TEST_DATABASE_URL!);
  return {
    host: url.searchParams.get('host') ?? url.hostname,
    port: Number(url.searchParams.get('port') ?? (url.port || 5432)),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password) || 'none-is-asked-for',
  };
}

/** Names of databases for one test file, dropped at its end. */
export class TestDatabases {
  readonly #prefix = `iwd_prov_${randomBytes(4).toString('hex')}`;

  name(of: string): string {
    return `${this.#prefix}_${of}`;
  }

  async drop(): Promise<void> {
    const server = process.env.TEST_DATABASE_URL!;
    const rows = await query(server, 'SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [this.#prefix]);
    for (const { datname } of rows) await query(server, `DROP DATABASE IF EXISTS "${datname}" WITH (FORCE)`);
  }
}

/** A provisioning body for the tests' Postgres; keys and secrets are told apart by the ccid. */
export function registration(ccid: string, database: string) {
  return {
    tenant: { id: '100', name: `t-${ccid}`, ccid, apiKey: `digital-channels-${ccid}` },
    iwd: {
      url: 'http://iwd.iwd:4024',
      db: { ...testPostgres(), database, ssl: false },
      apiKeys: { IWD_APIKEY_TENANT: `tenant-key-of-${ccid}`, IWD_APIKEY_IWDDM: `mart-key-of-${ccid}-----` },
    },
    iwdEmail: { url: 'N/A' },
  };
}

import pg from 'pg';
import { Counter, Histogram, type Registry } from 'prom-client';

/** SQLSTATE, or the name of what the operating system said; anything else is `other`, so that codes stay few. */
const knownCode = /^(?:[0-9A-Z]{5}|E[A-Z]{3,20})$/;

/** What the guide counts of the tenants' databases; `db` is the database's name. */
export class DatabaseMetrics {
  readonly #connects: Counter<'db'>;
  readonly #disconnects: Counter<'db'>;
  readonly #requests: Counter<'db'>;
  readonly #successes: Counter<'db' | 'command'>;
  readonly #errors: Counter<'db' | 'code'>;
  readonly #milliseconds: Histogram<'db' | 'method'>;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter<Label>({ name: `iwdTenantDB_db_${name}_total`, help, labelNames, registers });
    this.#connects = counter('connect', 'Sessions opened with a tenant’s database', 'db');
    this.#disconnects = counter('disconnect', 'Sessions with a tenant’s database that ended', 'db');
    this.#requests = counter('request', 'Statements sent to a tenant’s database', 'db');
    this.#successes = counter('success', 'Statements that succeeded, by what they did', 'db', 'command');
    this.#errors = counter(
      'errors',
      'Statements and attempts to connect that failed, by SQLSTATE or the system’s code',
      ...(['db', 'code'] as const),
    );
    this.#milliseconds = new Histogram({
      name: 'iwdTenantDB_db_request_duration_milliseconds',
      help: 'Time that a connection, a statement or a COPY took',
      labelNames: ['db', 'method'],
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000],
      registers,
    });
  }

  /** Opens a session by `open` and counts it and whatever runs on it until its end. */
  async opened(databaseUrl: string, open: () => Promise<pg.Client>): Promise<pg.Client> {
    const begunAt = performance.now();
    try {
      const client = await open();
      const db = client.database ?? '';
      this.#milliseconds.observe({ db, method: 'connect' }, performance.now() - begunAt);
      this.#connects.inc({ db });
      // Present before the first of them happens, or nobody could see the first as a change.
      this.#disconnects.inc({ db }, 0);
      client.once('end', () => this.#disconnects.inc({ db }));
      this.#watch(client, db);
      return client;
    } catch (error) {
      this.#errors.inc({ db: new pg.Client(databaseUrl).database ?? '', code: codeOf(error) });
      throw error;
    }
  }

  /** Only this session's `query` is replaced; it answers what it always did. */
  #watch(client: pg.Client, db: string): void {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown;
    const watched = (...given: unknown[]) => {
      const begunAt = performance.now();
      this.#requests.inc({ db });
      const end = (method: string) => this.#milliseconds.observe({ db, method }, performance.now() - begunAt);
      const fail = (method: string) => (error: unknown) => {
        end(method);
        this.#errors.inc({ db, code: codeOf(error) });
      };
      const result = query(...given);
      if (result instanceof Promise) {
        result.then((done: pg.QueryResult | pg.QueryResult[]) => {
          end('query');
          this.#successes.inc({ db, command: commandOf(done) });
        }, fail('query'));
      } else {
        (result as NodeJS.ReadableStream)
          .once('error', fail('copy'))
          .once('end', () => this.#successes.inc({ db, command: 'COPY' }))
          .once('end', () => end('copy'));
      }
      return result;
    };
    client.query = watched as typeof client.query;
  }
}

/** Of several statements sent as one, the last. */
function commandOf(done: pg.QueryResult | pg.QueryResult[]): string {
  return (Array.isArray(done) ? done.at(-1) : done)?.command ?? 'none';
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && knownCode.test(code) ? code : 'other';
}

import { after, before } from 'node:test';
import type { FastifyInstance, InjectOptions } from 'fastify';
import type { NewPerson, Person } from '../actors/ports/people.js';
import { apiKeys } from '../api/api-keys.js';
import { Passwords } from '../api/password.js';
import type { PeopleOptions } from '../api/people.js';
import { ScriptedEngine } from '../api/scripted-engine.js';
import { buildServer } from '../api/server.js';
import { query, testDatabase } from '../stores/conformance/test-database.js';
import { PeopleConnection } from '../stores/postgres/cluster/people-connection.js';
import { PostgresPeople } from '../stores/postgres/cluster/people-store.js';
import { PostgresSessions } from '../stores/postgres/cluster/session-store.js';
import { clusterMigrations, migrate } from '../stores/postgres/migrations.js';

export const hour = 3_600_000;
/** One hash takes a millisecond instead of a third of a second. */
const strength = { ln: 4, r: 8, p: 1 };
export const password = 'correct horse battery staple';

type Response = Awaited<ReturnType<FastifyInstance['inject']>>;

/** A browser's memory of one server: its cookies and the token that pages send back. */
export class Browser {
  readonly cookies = new Map<string, string>();
  csrfToken: string | undefined;
  readonly #server: () => FastifyInstance;

  constructor(server: () => FastifyInstance) {
    this.#server = server;
  }

  async ask(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await this.#server().inject({
      method,
      url: url.startsWith('/') ? `/iwd/v3${url}` : url,
      headers: {
        host: 'iwd.example',
        ...(cookie !== '' && { cookie }),
        ...(this.csrfToken !== undefined && { 'x-csrf-token': this.csrfToken }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    } as InjectOptions);
    this.#remember(response);
    return response;
  }

  async signIn(name: string, withPassword = password, tenant?: string): Promise<Response> {
    const response = await this.ask('POST', '/session', { name, password: withPassword, ...(tenant && { tenant }) });
    if (response.statusCode === 200) this.csrfToken = (response.json() as { csrfToken: string }).csrfToken;
    return response;
  }

  #remember(response: Response): void {
    for (const { name, value, maxAge } of response.cookies) {
      if (maxAge === 0) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}

/**
 * The front with people in a real registry, two tenants `acme` and `umbrella` with a key each, and a clock that the test
 * moves. What is behind the front is scripted: who may ask is what is tested.
 */
export function peopleWorld(options: () => Partial<PeopleOptions> = () => ({})) {
  const database = testDatabase();
  const engine = new ScriptedEngine();
  const clock = { now: Date.parse('2026-03-02T08:00:00Z') };
  const world = {
    engine,
    clock,
    server: undefined as unknown as FastifyInstance,
    people: undefined as unknown as PostgresPeople,
    browser: () => new Browser(() => world.server),
    query: (text: string, values?: unknown[]) => query(database.url, text, values),
    async add(person: Partial<NewPerson> & { name: string }): Promise<Person> {
      const added = await world.people.addPerson(
        { tenantId: 'acme', displayName: null, roles: ['IWD User'], password: await hashed(), ...person },
        { by: 'test', from: '' },
      );
      if (typeof added === 'string') throw new Error(added);
      return added;
    },
    /** Another process with the same registry. */
    another: (other: Partial<PeopleOptions> = {}): FastifyInstance => build(other),
  };
  let hash: Promise<string> | undefined;
  const hashed = () => (hash ??= new Passwords(strength).hash(password));
  const opened: { close(): Promise<unknown> }[] = [];

  function build(other: Partial<PeopleOptions> = {}): FastifyInstance {
    const connection = new PeopleConnection(database.url);
    const store = new PostgresPeople(connection);
    world.people ??= store;
    const server = buildServer({
      engine,
      loop: { p99Ms: () => 0 },
      tenants: apiKeys([
        { key: 'key-of-acme', tenantId: 'acme', name: 'crm' },
        { key: 'key-of-umbrella', tenantId: 'umbrella', name: 'erp' },
        { key: 'key-of-cluster', tenantId: '', name: 'operator', scope: 'cluster' },
      ]),
      people: {
        store,
        sessionStore: new PostgresSessions(connection),
        homeTenant: 'acme',
        idleMs: hour / 2,
        totalMs: 12 * hour,
        now: () => clock.now,
        strength,
        ...options(),
        ...other,
      },
    });
    opened.push(server, connection);
    return server;
  }

  before(async () => {
    if (!database.url) return;
    await migrate(database.url, undefined, clusterMigrations);
    await world.query(
      `INSERT INTO iwd_cluster.tenant (id, short_id, name) VALUES ('acme', '1', 'acme.example'), ('umbrella', '2', 'umbrella.example')`,
    );
    world.server = build();
  });
  after(async () => {
    for (const one of opened) await one.close();
  });
  return world;
}

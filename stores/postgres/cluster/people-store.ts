import { createHash } from 'node:crypto';
import pg from 'pg';
import {
  type Doer,
  type NewPerson,
  type OwnRole,
  ownRolesMax,
  type PeopleStore,
  type Person,
  type PersonChange,
  peopleMax,
  type Subject,
} from '../../../actors/ports/people.js';
import type { AuditEntry } from './audit.js';
import type { PeopleConnection } from './people-connection.js';

/** What the tenant's own roles among a person's allow, beside each person. */
export const personColumns = `
  p.id, p.tenant_id AS "tenantId", p.name, p.display_name AS "displayName", p.roles, p.disabled,
  p.password IS NOT NULL AS "hasPassword", p.subject IS NOT NULL AS external,
  p.created_at AS "createdAt", p.updated_at AS "updatedAt",
  ARRAY(SELECT DISTINCT unnest(r.privileges) FROM iwd_cluster.role r
         WHERE r.tenant_id = p.tenant_id AND r.name = ANY (p.roles)) AS "ownPrivileges"`;

const uniqueViolation = '23505';
const foreignKeyViolation = '23503';

/** People and roles in the cluster's registry. Each change is one statement, so that it is there whole or not at all. */
export class PostgresPeople implements PeopleStore {
  readonly #connection: PeopleConnection;

  constructor(connection: PeopleConnection) {
    this.#connection = connection;
  }

  async tenant(called: string): Promise<string | undefined> {
    const rows = await this.#connection.read<{ id: string }>(
      `SELECT id FROM iwd_cluster.tenant WHERE id = $1 OR short_id = $1 OR name = $1 ORDER BY id = $1 DESC LIMIT 2`,
      [called],
    );
    return rows[0]?.id === called || rows.length === 1 ? rows[0]!.id : undefined;
  }

  roles(tenantId: string): Promise<OwnRole[]> {
    return this.#connection.read<OwnRole>(
      `SELECT name, privileges, updated_at AS "updatedAt" FROM iwd_cluster.role WHERE tenant_id = $1 ORDER BY name`,
      [tenantId],
    );
  }

  async putRole(tenantId: string, name: string, privileges: readonly string[], doer: Doer) {
    // The sub-queries see the rows as they were before the statement.
    const rows = await this.#connection.change<{ was: boolean; fits: boolean }>(
      `WITH before AS (
         SELECT EXISTS (SELECT FROM iwd_cluster.role WHERE tenant_id = $1 AND name = $2) AS was,
                (SELECT count(*) FROM iwd_cluster.role WHERE tenant_id = $1) < $4 AS fits),
       put AS (
         INSERT INTO iwd_cluster.role (tenant_id, name, privileges)
         SELECT $1, $2, $3 FROM before WHERE was OR fits
         ON CONFLICT (tenant_id, name) DO UPDATE SET privileges = excluded.privileges, updated_at = now()),
       ended AS (
         DELETE FROM iwd_cluster.session s USING iwd_cluster.person p
          WHERE p.id = s.person_id AND p.tenant_id = $1 AND $2 = ANY (p.roles))
       SELECT was, fits FROM before`,
      [tenantId, name, privileges, ownRolesMax],
      ([row]) => (row!.was || row!.fits ? line(doer, 'rolePut', tenantId, { role: name, privileges }) : undefined),
    );
    const { was, fits } = rows[0]!;
    return was ? 'updated' : fits ? 'created' : 'too-many';
  }

  async removeRole(tenantId: string, name: string, doer: Doer) {
    const rows = await this.#connection.change<{ used: boolean; removed: boolean }>(
      `WITH users AS (
         SELECT EXISTS (SELECT FROM iwd_cluster.person WHERE tenant_id = $1 AND $2 = ANY (roles))
             OR EXISTS (SELECT FROM iwd_cluster.api_key WHERE tenant_id = $1 AND role = $2 AND revoked_at IS NULL) AS used),
       gone AS (
         DELETE FROM iwd_cluster.role USING users WHERE tenant_id = $1 AND name = $2 AND NOT used RETURNING name)
       SELECT used, EXISTS (SELECT FROM gone) AS removed FROM users`,
      [tenantId, name],
      ([row]) => (row!.removed ? line(doer, 'roleRemoved', tenantId, { role: name }) : undefined),
    );
    return rows[0]!.removed ? 'removed' : rows[0]!.used ? 'in-use' : 'unknown';
  }

  people(tenantId: string, limit: number, after?: string): Promise<Person[]> {
    return this.#connection.read<Person>(
      `SELECT ${personColumns} FROM iwd_cluster.person p
        WHERE p.tenant_id = $1 AND ($3::text IS NULL OR lower(p.name) > lower($3)) ORDER BY lower(p.name) LIMIT $2`,
      [tenantId, limit, after ?? null],
    );
  }

  async person(tenantId: string, id: string): Promise<Person | undefined> {
    const text = `SELECT ${personColumns} FROM iwd_cluster.person p WHERE p.tenant_id = $1 AND p.id = $2`;
    return (await this.#connection.read<Person>(text, [tenantId, id]))[0];
  }

  addPerson(person: NewPerson, doer: Doer): Promise<Person | 'name-taken' | 'too-many' | 'no-tenant'> {
    return this.#insert(
      person,
      null,
      doer,
      `(SELECT count(*) FROM iwd_cluster.person WHERE tenant_id = $1) < ${peopleMax}`,
    );
  }

  async addFirstPerson(person: NewPerson): Promise<Person | undefined> {
    // Of two servers that start at once, the name's unique index lets one through.
    const added = await this.#insert(
      person,
      null,
      server,
      'NOT EXISTS (SELECT FROM iwd_cluster.person WHERE tenant_id = $1)',
    );
    return typeof added === 'string' ? undefined : added;
  }

  async changePerson(tenantId: string, id: string, change: PersonChange, doer: Doer): Promise<Person | undefined> {
    const ends = change.roles !== undefined || change.disabled !== undefined || change.password !== undefined;
    const rows = await this.#connection.change<Person>(
      `WITH p AS (
         UPDATE iwd_cluster.person SET
           display_name = CASE WHEN $3 THEN $4 ELSE display_name END,
           roles = coalesce($5, roles), disabled = coalesce($6, disabled), password = coalesce($7, password),
           updated_at = now()
          WHERE tenant_id = $1 AND id = $2 RETURNING *),
       ended AS (DELETE FROM iwd_cluster.session s USING p WHERE s.person_id = p.id AND $8)
       SELECT ${personColumns} FROM p`,
      [
        tenantId,
        id,
        change.displayName !== undefined,
        change.displayName ?? null,
        change.roles ?? null,
        change.disabled ?? null,
        change.password ?? null,
        ends,
      ],
      ([person]) => person && line(doer, 'personChanged', tenantId, changed(person, change)),
    );
    return rows[0];
  }

  async removePerson(tenantId: string, id: string, doer: Doer): Promise<boolean> {
    const rows = await this.#connection.change<{ name: string }>(
      'DELETE FROM iwd_cluster.person WHERE tenant_id = $1 AND id = $2 RETURNING name',
      [tenantId, id],
      ([row]) => row && line(doer, 'personRemoved', tenantId, { person: row.name }),
    );
    return rows.length > 0;
  }

  async passwordOf(tenantId: string, name: string) {
    const rows = await this.#connection.read<Person & { password: string | null }>(
      `SELECT ${personColumns}, p.password FROM iwd_cluster.person p WHERE p.tenant_id = $1 AND lower(p.name) = lower($2)`,
      [tenantId, name],
    );
    if (!rows[0]) return undefined;
    const { password, ...person } = rows[0];
    return { person, password };
  }

  async signInSubject(subject: Subject): Promise<Person | 'no-tenant' | 'too-many'> {
    const known = await this.#updateSubject(subject);
    if (known) return known;
    const fits = `(SELECT count(*) FROM iwd_cluster.person WHERE tenant_id = $1) < ${peopleMax}`;
    const person = { ...subject, roles: subject.roles ?? [], password: null };
    const provider = { by: 'identity provider', from: '' };
    const added = await this.#insert(person, subject.subject, provider, fits);
    if (added !== 'name-taken') return added;
    const ending = createHash('sha256').update(subject.subject).digest('hex').slice(0, 8);
    const renamed = await this.#insert(
      { ...person, name: `${subject.name}#${ending}` },
      subject.subject,
      provider,
      fits,
    );
    if (renamed !== 'name-taken') return renamed;
    // The same person signed in elsewhere between the two.
    const again = await this.#updateSubject(subject);
    if (!again) throw new Error('a person was removed while signing in');
    return again;
  }

  async subject(tenantId: string, subject: string): Promise<Person | undefined> {
    const text = `SELECT ${personColumns} FROM iwd_cluster.person p WHERE p.tenant_id = $1 AND p.subject = $2`;
    return (await this.#connection.read<Person>(text, [tenantId, subject]))[0];
  }

  async #updateSubject({ tenantId, subject, displayName, roles }: Subject): Promise<Person | undefined> {
    const rows = await this.#connection.change<Person>(
      `WITH before AS (SELECT id, roles FROM iwd_cluster.person WHERE tenant_id = $1 AND subject = $2),
       p AS (
         UPDATE iwd_cluster.person SET display_name = $3, roles = coalesce($4, person.roles)
          WHERE tenant_id = $1 AND subject = $2 RETURNING *),
       ended AS (
         DELETE FROM iwd_cluster.session s USING before, p
          WHERE s.person_id = p.id AND before.id = p.id AND before.roles <> p.roles)
       SELECT ${personColumns} FROM p`,
      [tenantId, subject, displayName, roles ?? null],
    );
    return rows[0];
  }

  /** @param condition SQL of this file, never of a caller; `$1` is the tenant. */
  async #insert(
    { tenantId, name, displayName, roles, password }: NewPerson,
    subject: string | null,
    doer: Doer,
    condition: string,
  ): Promise<Person | 'name-taken' | 'too-many' | 'no-tenant'> {
    try {
      const rows = await this.#connection.change<Person>(
        `WITH p AS (
           INSERT INTO iwd_cluster.person (tenant_id, name, display_name, roles, password, subject)
           SELECT $1, $2, $3, $4, $5, $6 WHERE ${condition} RETURNING *)
         SELECT ${personColumns} FROM p`,
        [tenantId, name, displayName, roles, password, subject],
        ([added]) => added && line(doer, 'personAdded', tenantId, { person: name, roles }),
      );
      return rows[0] ?? 'too-many';
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      if (error.code === uniqueViolation) return 'name-taken';
      if (error.code === foreignKeyViolation) return 'no-tenant';
      throw error;
    }
  }
}

/** What the server does by itself. */
const server: Doer = { by: 'server', from: '' };

function line({ by, from }: Doer, type: string, tenantId: string, details: Record<string, unknown>): AuditEntry {
  return { type, by, tenantId, details, ...(from !== '' && { from }) };
}

/** A password is said to have been changed, and nothing more of it. */
function changed({ name }: Person, { password, ...rest }: PersonChange): Record<string, unknown> {
  return { person: name, ...rest, ...(password !== undefined && { passwordChanged: true }) };
}

import {
  type Person,
  type Session,
  type SessionStore,
  type SignInState,
  sessionsOfPersonMax,
  signInStatesMax,
} from '../../../actors/ports/people.js';
import type { Instant } from '../../../engine/work-item.js';
import type { PeopleConnection } from './people-connection.js';
import { personColumns } from './people-store.js';

/** Rows that one call forgets, so that no statement is long. */
const forgetMax = 1000;

export class PostgresSessions implements SessionStore {
  readonly #connection: PeopleConnection;

  constructor(connection: PeopleConnection) {
    this.#connection = connection;
  }

  async open(digest: Buffer, person: Person, at: Instant, expiresAt: Instant, from: string): Promise<void> {
    const { id, name, tenantId } = person;
    await this.#connection.change(
      `WITH dropped AS (
         DELETE FROM iwd_cluster.session WHERE digest IN (
           SELECT digest FROM iwd_cluster.session WHERE person_id = $2
            ORDER BY created_at DESC OFFSET ${sessionsOfPersonMax - 1}))
       INSERT INTO iwd_cluster.session (digest, person_id, created_at, used_at, expires_at) VALUES ($1, $2, $3, $3, $4)`,
      [digest, id, new Date(at), new Date(expiresAt)],
      () => ({ type: 'signedIn', by: name, from, tenantId }),
    );
  }

  async find(digest: Buffer): Promise<Session | undefined> {
    const rows = await this.#connection.read<Session['person'] & { usedAt: number; expiresAt: number }>(
      `SELECT ${personColumns}, s.used_at AS "usedAt", s.expires_at AS "expiresAt"
         FROM iwd_cluster.session s JOIN iwd_cluster.person p ON p.id = s.person_id WHERE s.digest = $1`,
      [digest],
    );
    if (!rows[0]) return undefined;
    const { usedAt, expiresAt, ...person } = rows[0];
    return { person, usedAt, expiresAt };
  }

  async touch(digest: Buffer, at: Instant): Promise<void> {
    const text = 'UPDATE iwd_cluster.session SET used_at = greatest(used_at, $2) WHERE digest = $1';
    await this.#connection.change(text, [digest, new Date(at)]);
  }

  async close(digest: Buffer): Promise<void> {
    await this.#connection.change('DELETE FROM iwd_cluster.session WHERE digest = $1', [digest]);
  }

  async refused({ name, from, tenantId }: { name: string; from: string; tenantId?: string }): Promise<void> {
    await this.#connection.record({
      type: 'signInFailed',
      by: name,
      from,
      ...(tenantId !== undefined && { tenantId }),
    });
  }

  async keepState(digest: Buffer, { nonce, verifier, returnTo, expiresAt }: SignInState): Promise<void> {
    await this.#connection.change(
      `WITH dropped AS (
         DELETE FROM iwd_cluster.sign_in_state WHERE digest IN (
           SELECT digest FROM iwd_cluster.sign_in_state ORDER BY expires_at DESC OFFSET ${signInStatesMax - 1}))
       INSERT INTO iwd_cluster.sign_in_state (digest, nonce, verifier, return_to, expires_at) VALUES ($1, $2, $3, $4, $5)`,
      [digest, nonce, verifier, returnTo, new Date(expiresAt)],
    );
  }

  async takeState(digest: Buffer): Promise<SignInState | undefined> {
    const rows = await this.#connection.change<SignInState>(
      `DELETE FROM iwd_cluster.sign_in_state WHERE digest = $1
       RETURNING nonce, verifier, return_to AS "returnTo", expires_at AS "expiresAt"`,
      [digest],
    );
    return rows[0];
  }

  async forgetExpired(now: Instant, idleMs: number): Promise<number> {
    const rows = await this.#connection.change(
      `WITH sessions AS (
         DELETE FROM iwd_cluster.session WHERE digest IN (
           SELECT digest FROM iwd_cluster.session WHERE expires_at <= $1 OR used_at <= $2 LIMIT ${forgetMax})
         RETURNING 1),
       states AS (
         DELETE FROM iwd_cluster.sign_in_state WHERE digest IN (
           SELECT digest FROM iwd_cluster.sign_in_state WHERE expires_at <= $1 LIMIT ${forgetMax})
         RETURNING 1)
       SELECT * FROM sessions UNION ALL SELECT * FROM states`,
      [new Date(now), new Date(now - idleMs)],
    );
    return rows.length;
  }
}

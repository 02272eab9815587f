import { hash } from 'node:crypto';
import type pg from 'pg';

/** One line of the cluster's audit log: who did what to which tenant, key, person or role, and from where. */
export interface AuditEntry {
  /** In the past tense: `tenantProvisioned`, `keyRevoked`, `signedIn`, `signInFailed`, ... */
  type: string;
  /** Name of the key or the person; of a failed sign-in the name that was given. */
  by?: string;
  /** The client's address. */
  from?: string;
  tenantId?: string;
  /** What it was done to and what changed. Never a secret, never a password. */
  details?: Record<string, unknown>;
}

/**
 * Appends one line to the cluster's audit log, on the connection and in the transaction (if one is open) of the change
 * that it tells of: both are there, or neither. Locks the log's head until that transaction ends, so call it last.
 * @returns the line's number.
 */
export async function recordAudit(client: pg.ClientBase, entry: AuditEntry): Promise<number> {
  const { type, by, from, tenantId, details } = entry;
  const text = JSON.stringify({ type, by, from, tenantId, details });
  const { rows } = await client.query('SELECT iwd_cluster.append_audit($1::json) AS seq', [text]);
  return Number(rows[0].seq);
}

/** The link of a line as `iwd_cluster.append_audit` computes it; `at` as Postgres sends a timestamptz. */
export function auditLink(previous: Uint8Array, seq: number, at: Uint8Array, entry: string): Buffer {
  const number = Buffer.allocUnsafe(8);
  number.writeBigInt64BE(BigInt(seq));
  return hash('sha256', Buffer.concat([previous, number, at, Buffer.from(entry)]), 'buffer');
}

import type pg from 'pg';
import type { Break, Head } from '../../chain-verifier.js';
import { noLink } from '../../journal-chain.js';
import { auditLink } from './audit.js';

/** Name of the cluster's own log among the noted heads. */
export const clusterLog = '';
const linesARead = 1000;

const linesStatement = `
  SELECT seq, timestamptz_send(at) AS at, entry, link FROM iwd_cluster.audit
   WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT ${linesARead}`;

interface Line {
  seq: number;
  at: Buffer;
  entry: string;
  link: Buffer;
}

/** Verifies the cluster's audit log as it stands now; `noted` must lie on it. */
export async function verifyClusterAudit(
  client: pg.Client,
  noted: Head | undefined,
): Promise<{ head: Head; firstBreak: Break | undefined }> {
  const { rows } = await client.query<{ seq: number; link: Buffer }>('SELECT seq, link FROM iwd_cluster.audit_head');
  const stored = rows[0] ?? { seq: 0, link: Buffer.alloc(0) };
  const head: Head = { seq: 0, link: noLink };
  const broken = (seq: number, detail: string) => ({ head, firstBreak: { seq, detail } });
  for (;;) {
    const page = await client.query<Line & pg.QueryResultRow>(linesStatement, [head.seq, stored.seq]);
    for (const line of page.rows) {
      if (line.seq !== head.seq + 1) return broken(head.seq + 1, `line ${head.seq + 1} is missing`);
      head.link = auditLink(head.link, line.seq, line.at, line.entry);
      if (!line.link.equals(head.link)) return broken(line.seq, 'the line is not the one that was written');
      head.seq = line.seq;
      if (noted?.seq === head.seq && !isSame(noted, head)) return broken(head.seq, 'the log had another link before');
    }
    if (page.rows.length < linesARead) break;
  }
  if ((noted?.seq ?? 0) > head.seq) return broken(head.seq + 1, `the log had ${noted?.seq} lines before`);
  if (!isSame(stored, head)) return broken(head.seq + 1, `the log ends at ${head.seq}, its head says ${stored.seq}`);
  return { head, firstBreak: undefined };
}

function isSame(a: Head, b: Head): boolean {
  return a.seq === b.seq && Buffer.compare(a.link, b.link) === 0;
}

/** The heads that were noted when the logs were verified last, by tenant. */
export async function notedHeads(client: pg.Client): Promise<Map<string, Head>> {
  const { rows } = await client.query<{ tenant_id: string; seq: number; link: Buffer }>(
    'SELECT tenant_id, seq, link FROM iwd_cluster.audit_anchor',
  );
  return new Map(rows.map(({ tenant_id, seq, link }) => [tenant_id, { seq, link }]));
}

/** Notes where a log stood when it was found whole: it must never be shorter, nor another one, after that. */
export async function noteHead(client: pg.Client, tenantId: string, head: Head): Promise<void> {
  await client.query(
    `INSERT INTO iwd_cluster.audit_anchor (tenant_id, seq, link) VALUES ($1, $2, $3)
     ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq, link = excluded.link, at = now()`,
    [tenantId, head.seq, head.link],
  );
}

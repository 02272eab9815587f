import type pg from 'pg';
import { isNote } from '../../engine/event.js';
import { type ChainedRow, type ChainReport, ChainVerifier, type Head } from '../chain-verifier.js';
import { unpackEvents } from '../event-batch.js';
import { connect } from './connection.js';

/** A verification may read for long; nobody waits for a lock of its. */
const timeouts = { statementTimeoutMs: 600_000, queryTimeoutMs: 0, lockTimeoutMs: 5000 };
const rowsARead = 500;

/** The server hashes what it stores; only rows that may announce an erasure come here whole. */
const rowsStatement = `
  SELECT seq, epoch, event_count, timestamptz_send(at) AS at, digest, link, sha256(events) AS actual,
         CASE WHEN position('erasureAnnounced'::bytea IN events) > 0 THEN events END AS announcing
    FROM iwd.journal WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT ${rowsARead}`;

interface Row extends Pick<ChainedRow, 'seq' | 'epoch' | 'at' | 'digest' | 'link' | 'actual'> {
  event_count: number;
  announcing: Buffer | null;
}

/**
 * Verifies a tenant's journal as it stands when this is called; the tenant may go on being served. Reads every row once.
 * @param heads noted at earlier verifications. @param onProgress gets the number of events read so far, now and then.
 */
export async function verifyJournal(
  databaseUrl: string,
  heads: readonly Head[],
  onProgress: (events: number) => void = () => {},
): Promise<ChainReport> {
  const client = await connect(databaseUrl, timeouts);
  try {
    const { rows } = await client.query<{ last_seq: number; link: Buffer }>(
      'SELECT last_seq, link FROM iwd.tenant_lease',
    );
    const head: Head = { seq: rows[0]?.last_seq ?? 0, link: rows[0]?.link ?? new Uint8Array(0) };
    const verifier = new ChainVerifier(heads);
    await readRows(client, head.seq, verifier, onProgress);
    return verifier.end(head);
  } finally {
    await client.end();
  }
}

async function readRows(
  client: pg.Client,
  untilSeq: number,
  verifier: ChainVerifier,
  onProgress: (events: number) => void,
): Promise<void> {
  for (let from = 0; !verifier.isBroken; ) {
    const { rows } = await client.query<Row & pg.QueryResultRow>(rowsStatement, [from, untilSeq]);
    for (const row of rows) verifier.add(chainedRow(row));
    if (rows.length < rowsARead) return;
    from = rows[rows.length - 1]!.seq + 1;
    onProgress(verifier.events);
  }
}

function chainedRow({ event_count, announcing, ...row }: Row): ChainedRow {
  return { ...row, eventCount: event_count, erased: announcing === null ? [] : announcedIn(announcing) };
}

/** What is no journal row any more announces nothing; that it was changed, its digest tells. */
function announcedIn(bytes: Buffer): ChainedRow['erased'] {
  try {
    return unpackEvents(bytes)
      .filter(isNote)
      .flatMap((note) => (note.type === 'erasureAnnounced' ? note.rows : []));
  } catch {
    return [];
  }
}

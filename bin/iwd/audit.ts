import { Command } from 'commander';
import type { Break, ChainReport, Head } from '../../stores/chain-verifier.js';
import {
  clusterLog,
  notedHeads,
  noteHead,
  verifyClusterAudit,
} from '../../stores/postgres/cluster/audit-verification.js';
import { connect } from '../../stores/postgres/connection.js';
import { verifyJournal } from '../../stores/postgres/journal-verification.js';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';
import type { Settings } from '../settings.js';
import { serverSettings, withServerDatabase } from './server-database.js';
import { tenantDatabases } from './tenant-databases.js';

interface Options {
  tenant?: string[];
  expect?: string[];
}

const timeouts = { statementTimeoutMs: 600_000, queryTimeoutMs: 0, lockTimeoutMs: 5000 };

/** `iwd audit verify`: whether the audit logs are what was written. */
export function auditCommand(): Command {
  return new Command('audit').description('works on the audit logs').addCommand(
    new Command('verify')
      .description(
        'walks the chains of the cluster’s log and of the tenants’ journals; says where the first one is broken and ends with 1',
      )
      .option('--tenant <id...>', 'only these tenants (default: all, and the cluster’s log)')
      .option('--expect <head...>', 'heads kept elsewhere, tenant=seq:link as this command prints them')
      .action((options: Options) => inDatabase(options)),
  );
}

function inDatabase(options: Options): Promise<void> {
  const settings = serverSettings();
  return withServerDatabase(settings, (url) => verify(settings, url, options));
}

async function verify(settings: Settings, registryUrl: string, { tenant, expect = [] }: Options): Promise<void> {
  const expected = expect.map(parseHead);
  await migrate(registryUrl, () => {}, clusterMigrations);
  const client = await connect(registryUrl, timeouts);
  try {
    const noted = await notedHeads(client);
    const isWhole: boolean[] = [];
    if (tenant === undefined) {
      const { head, firstBreak } = await verifyClusterAudit(client, noted.get(clusterLog));
      isWhole.push(tell('the cluster', `${head.seq} lines`, clusterLog, head, firstBreak));
      if (firstBreak === undefined) await noteHead(client, clusterLog, head);
    }
    for (const { tenantId, databaseUrl } of await tenantDatabases(settings, registryUrl, tenant)) {
      const before = noted.get(tenantId);
      const heads = [...(before ? [before] : []), ...expected.filter((one) => one.tenantId === tenantId)];
      const report = await verifyJournal(databaseUrl, heads, (events) =>
        console.error(`${tenantId}: ${events} events ...`),
      );
      isWhole.push(tell(tenantId, summary(report), tenantId, report.head, report.firstBreak));
      if (report.firstBreak === undefined) await noteHead(client, tenantId, report.head);
    }
    if (isWhole.includes(false)) process.exitCode = 1;
  } finally {
    await client.end();
  }
}

function tell(name: string, what: string, tenantId: string, head: Head, firstBreak: Break | undefined): boolean {
  if (firstBreak === undefined) {
    console.log(`${name}: whole; ${what}; head ${tenantId}=${head.seq}:${Buffer.from(head.link).toString('hex')}`);
    return true;
  }
  console.log(`${name}: BROKEN at ${firstBreak.seq}: ${firstBreak.detail} (${what} before it)`);
  return false;
}

function summary({ rows, events, chainedFrom, erasedRows, notErasedRows }: ChainReport): string {
  const parts = [`${events} events in ${rows} rows`];
  if (chainedFrom !== undefined && chainedFrom > 1) parts.push(`chained from event ${chainedFrom} on`);
  if (erasedRows > 0) parts.push(`${erasedRows} rows erased as announced`);
  if (notErasedRows > 0) parts.push(`${notErasedRows} rows whose announced erasure is not done`);
  return parts.join(', ');
}

/** `tenant=seq:link`. */
function parseHead(text: string): Head & { tenantId: string } {
  const match = /^(.*)=(\d{1,16}):([0-9a-f]{64})$/.exec(text);
  if (match === null) throw new Error(`--expect ${text}: expected tenant=seq:link, as iwd audit verify prints it`);
  return { tenantId: match[1]!, seq: Number(match[2]), link: Buffer.from(match[3]!, 'hex') };
}

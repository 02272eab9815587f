import type { Logger } from 'pino';
import { KeyRing } from '../api/key-ring.js';
import { LiveRegistry, type TenantHost } from '../services/live-registry.js';
import { Sealer } from '../stores/postgres/cluster/sealer.js';
import { PostgresTenantDirectory } from '../stores/postgres/cluster/tenant-directory.js';
import { clusterMigrations, migrate } from '../stores/postgres/migrations.js';
import { prepareDatabase } from '../stores/postgres/prepared-database.js';
import { firstClusterKey } from './cluster-key.js';
import { masterKeys } from './master-key.js';
import type { Settings } from './settings.js';
import { demoTenant } from './tenants.js';

/** How soon this process notices what another one has changed; a key that is not known is looked for at once. */
const pollMs = 2000;
const prepareMsMax = 10_000;

export interface TenantRegistry {
  directory: PostgresTenantDirectory;
  /** The cluster's key when this start has made it. */
  madeClusterKey: string | undefined;
  /** All keys: those of the settings, and those of the registry once it is live. */
  keys: KeyRing;
  /** Has the host serve what the registry says, from now on. */
  live(host: TenantHost): Promise<LiveRegistry>;
  close(): Promise<void>;
}

/** Opens the registry in the server's own database, whose schema it brings up to date. Throws when a secret of it cannot be opened. */
export async function openTenantRegistry(
  settings: Settings,
  databaseUrl: string,
  dataDir: string,
  log: Logger,
): Promise<TenantRegistry> {
  await migrate(databaseUrl, (step) => log.info(`migrating the registry: ${step}`), clusterMigrations);
  const [sealing, ...opening] = await masterKeys(settings, dataDir);
  const sealer = sealing && new Sealer(sealing, ...opening);
  const directory = new PostgresTenantDirectory(databaseUrl, sealer);
  try {
    await checkMasterKeys(directory, sealer);
    await directory.ensureOwnTenant(demoTenant);
    const madeClusterKey = settings.clusterApiKey === undefined ? await firstClusterKey(directory, dataDir) : undefined;
    let registry: LiveRegistry | undefined;
    const keys = new KeyRing(async () => registry?.refresh());
    const live = async (host: TenantHost) => {
      registry = new LiveRegistry({
        directory,
        host,
        ownDatabaseUrl: databaseUrl,
        prepare: ({ id, iwd }) => prepareDatabase(id, { ...iwd.db, password: iwd.password }, prepareMsMax),
        onKeys: (list) => keys.replace(list),
        takeUses: () => keys.takeUses(),
        log: (level, message, { error, ...fields }) =>
          log[level]({ ...fields, ...(error !== undefined && { error: String(error) }) }, message),
      });
      await registry.start(pollMs);
      return registry;
    };
    const close = async () => {
      await registry?.stop();
      await directory.close();
    };
    return { directory, madeClusterKey, keys, live, close };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** A server that cannot open a tenant's password would leave the tenant out: better not to start at all. */
async function checkMasterKeys(directory: PostgresTenantDirectory, sealer: Sealer | undefined): Promise<void> {
  const missing = (await directory.masterKeyIds()).filter((id) => !sealer?.opens(id));
  if (missing.length === 0) return;
  throw new Error(
    `the registry's secrets are sealed with master key ${missing.join(', ')}, which this server does not have ` +
      `(${sealer ? `it has ${sealer.keyId}` : 'it has none'}): set IWD_MASTER_KEY or IWD_MASTER_KEY_FILE`,
  );
}

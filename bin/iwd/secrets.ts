import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { resealAll } from '../../stores/postgres/cluster/reseal.js';
import { Sealer } from '../../stores/postgres/cluster/sealer.js';
import { clusterMigrations, migrate } from '../../stores/postgres/migrations.js';
import { masterKeyPath, masterKeys, writeKeys } from '../master-key.js';
import { serverSettings, withServerDatabase } from './server-database.js';

/** `iwd secrets rotate`: seals the registry's secrets with another master key. */
export function secretsCommand(): Command {
  const rotate = new Command('rotate')
    .description(
      'seals every secret of the registry with the first of the master keys given (IWD_MASTER_KEY=new,old or the lines ' +
        'of IWD_MASTER_KEY_FILE); may be interrupted and repeated',
    )
    .option('--new', 'makes the new key itself, for the embedded default, whose keys are in IWD_DATA_DIR/master-key')
    .action(({ new: makeNew }: { new?: boolean }) => rotateAll(makeNew === true));
  return new Command('secrets').description('the registry’s secrets').addCommand(rotate);
}

async function rotateAll(makeNew: boolean): Promise<void> {
  const settings = serverSettings();
  const dataDir = resolve(settings.dataDir);
  const { masterKey, masterKeyFile, databaseUrl } = settings;
  const isOurFile = masterKey === undefined && masterKeyFile === undefined && databaseUrl === undefined;
  if (makeNew && !isOurFile) {
    throw new Error(
      '--new is for the embedded default: make a key with `openssl rand -base64 32`, give it before the old one',
    );
  }
  let keys = await masterKeys(settings, dataDir);
  if (keys.length === 0) throw new Error('no master key: set IWD_MASTER_KEY=new,old or IWD_MASTER_KEY_FILE');
  if (makeNew) {
    keys = [randomBytes(32), ...keys];
    // On the disk before anything is sealed with it; the old ones stay until nothing needs them.
    await writeKeys(masterKeyPath(dataDir), keys);
  }
  const sealer = new Sealer(keys[0]!, ...keys.slice(1));
  const count = await withServerDatabase(settings, async (url) => {
    await migrate(url, undefined, clusterMigrations);
    return resealAll(url, sealer, (done, of) => console.log(`sealed ${done} of ${of}`));
  });
  if (isOurFile) await writeKeys(masterKeyPath(dataDir), keys.slice(0, 1));
  console.log(`${count} secrets sealed again; all are sealed with master key ${sealer.keyId}.`);
  console.log(
    isOurFile ? 'Restart the server.' : 'Give servers this key only, and restart those that were not given it yet.',
  );
}

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { ClusterApi, type ClusterOptions } from './cluster-api.js';

/** Tenants of one page of the list. */
const pageTenants = 200;

interface AddOptions extends ClusterOptions {
  ccid?: string;
  id?: string;
  name?: string;
  host?: string;
  port: string;
  database?: string;
  user?: string;
  passwordFile?: string;
  ssl?: boolean;
}

interface ListedTenant {
  ccid: string;
  name: string;
  state: string;
  services: { iWD?: { db?: { host: string; port: number; database: string } } };
}

/** `iwd tenant add|list|remove`: provisioning, from the command line of a running server's operator. */
export function tenantCommand(): Command {
  const server = (command: Command) =>
    command
      .option('--url <url>', 'the server (default: IWD_URL, else http://127.0.0.1:4024)')
      .option('--key-file <path>', 'file with the cluster key (default: IWD_CLUSTER_APIKEY, else data/cluster-apikey)');
  return new Command('tenant')
    .description('provisions, lists and removes tenants')
    .addCommand(server(addCommand()))
    .addCommand(server(listCommand()))
    .addCommand(server(removeCommand()));
}

function addCommand(): Command {
  return new Command('add')
    .description('provisions a tenant or changes it: with the body of the guide from a file, or by options')
    .argument('[file]', 'JSON body as POST /provisioning takes it; - reads it from the standard input')
    .option('--ccid <ccid>', 'contact centre id')
    .option('--id <id>', 'short id (default: the ccid)')
    .option('--name <name>', 'name (default: the ccid)')
    .option('--host <host>', 'host of the database, or the folder of its socket')
    .option('--port <port>', 'its port', '5432')
    .option('--database <name>', 'name of the database (default: iwd-<ccid>)')
    .option('--user <user>', 'its user')
    .option('--password-file <path>', 'file with the password; a password in an option would be seen by everybody here')
    .option('--ssl', 'TLS to the database')
    .action(add);
}

async function add(file: string | undefined, options: AddOptions): Promise<void> {
  const api = new ClusterApi(options);
  if (file !== undefined) {
    await api.call('PUT', '/provisioning', readFileSync(file === '-' ? 0 : file, 'utf8'));
    console.log('provisioned');
    return;
  }
  const body = bodyOf(options);
  await api.call('PUT', '/provisioning', body);
  console.log(`provisioned ${options.ccid}; its keys, shown now and never again:`);
  for (const [name, key] of Object.entries(body.iwd.apiKeys)) console.log(`${name}=${key}`);
}

/** Made by options, a tenant gets new keys. */
function bodyOf({ ccid, id, name, host, port, database, user, passwordFile, ssl }: AddOptions) {
  const missing = Object.entries({ ccid, host, user, 'password-file': passwordFile }).find(([, value]) => !value);
  if (missing) throw new Error(`give a file, or --${missing[0]} too (iwd tenant add --help)`);
  const password = readFileSync(passwordFile!, 'utf8').replace(/\r?\n$/, '');
  return {
    tenant: { ccid, id: id ?? ccid, name: name ?? ccid, apiKey: 'none' },
    iwd: {
      url: 'N/A',
      db: { host, port: Number(port), database: database ?? `iwd-${ccid}`, user, password, ssl: ssl === true },
      apiKeys: { IWD_APIKEY_TENANT: randomUUID(), IWD_APIKEY_IWDDM: randomUUID() },
    },
    iwdEmail: { url: 'N/A' },
  };
}

function listCommand(): Command {
  return new Command('list')
    .description('lists the tenants, their state and their databases')
    .option('--json', 'one JSON document a line, with everything that is not secret')
    .action(async (options: ClusterOptions & { json?: boolean }) => {
      for await (const tenant of allTenants(new ClusterApi(options))) {
        console.log(options.json ? JSON.stringify(tenant) : lineOf(tenant));
      }
    });
}

async function* allTenants(api: ClusterApi): AsyncGenerator<ListedTenant> {
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await api.call('GET', `/provisioning?limit=${pageTenants}${after}`);
    const { tenants, next } = page as { tenants: ListedTenant[]; next: string | null };
    yield* tenants;
    cursor = next;
  } while (cursor !== null);
}

function lineOf({ ccid, name, state, services }: ListedTenant): string {
  const db = services.iWD?.db;
  const where = db
    ? `${db.host}:${db.port}/${db.database}`
    : services.iWD
      ? "the server's own database"
      : 'no iWD service';
  return `${ccid.padEnd(36)}  ${state.padEnd(11)}  ${name}  ${where}`;
}

function removeCommand(): Command {
  return new Command('remove')
    .description('removes a tenant with its keys, or some of its services; its database stays')
    .argument('<ccid>')
    .option('--service <names>', 'only these services, e.g. iWD,iWDEmail')
    .action(async (ccid: string, options: ClusterOptions & { service?: string }) => {
      const what = options.service ? `service=${encodeURIComponent(options.service)}` : 'deleteTenant=true';
      await new ClusterApi(options).call('DELETE', `/provisioning/${encodeURIComponent(ccid)}?${what}`);
      console.log(options.service ? `removed ${options.service} of ${ccid}` : `removed ${ccid}; its database stays`);
    });
}

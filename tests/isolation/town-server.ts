import { apiKeys } from '../../api/api-keys.js';
import { buildServer } from '../../api/server.js';
import { keyOf, TenantTown, type TownServerOptions } from './tenant-town.js';

/** A town of tenants behind the HTTP front, as a process of its own: whoever measures must not share its threads. */
const options = JSON.parse(process.argv[2]!) as TownServerOptions;
const { server: postgres, moved, ...rest } = options;
const urlOf = (url: string, index: number) =>
  index === moved?.index ? Object.assign(new URL(url), { port: `${moved.port}` }).href : url;
const town = await TenantTown.start(postgres, { ...rest, urlOf });
for (const [id, quotas] of Object.entries(options.quotasOf ?? {})) {
  const index = town.ids.indexOf(id);
  town.client.updateTenant({ id, databaseUrl: urlOf(town.databaseUrl(index), index), quotas });
}
const front = buildServer({
  engine: town.client,
  limits: town.client,
  tenants: apiKeys(town.ids.map((tenantId) => ({ key: keyOf(tenantId), tenantId, name: tenantId }))),
});
await front.listen({ port: 0, host: '127.0.0.1' });
process.on('message', () => {
  void front
    .close()
    .then(() => town.stop())
    .then(() => process.exit(0));
});
process.send!({ port: (front.server.address() as { port: number }).port });

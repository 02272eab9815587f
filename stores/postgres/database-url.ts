import type { DatabaseAddress } from '../../actors/ports/tenant-directory.js';

/**
 * The URL of a tenant's database. Certificates are verified when `ssl` is set (NODE_EXTRA_CA_CERTS adds an authority);
 * without it nothing is negotiated. Names and passwords may hold any character.
 */
export function databaseUrlOf(address: DatabaseAddress & { password: string }): string {
  const { host, port, database, user, password, ssl } = address;
  const account = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  const isSocket = host.startsWith('/');
  const authority = isSocket ? 'localhost' : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const options = isSocket
    ? `host=${encodeURIComponent(host)}&port=${port}`
    : `sslmode=${ssl ? 'verify-full' : 'disable'}`;
  return `postgresql://${account}@${authority}/${encodeURIComponent(database)}?${options}`;
}

/** The same server and user, another database: for what cannot be done while connected to the one itself. */
export function withDatabase(databaseUrl: string, database: string): string {
  return Object.assign(new URL(databaseUrl), { pathname: `/${encodeURIComponent(database)}` }).href;
}

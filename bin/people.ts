import { randomBytes } from 'node:crypto';
import { basePath } from '../api/operation.js';
import { Passwords } from '../api/password.js';
import type { PeopleOptions } from '../api/people.js';
import { PeopleConnection } from '../stores/postgres/cluster/people-connection.js';
import { PostgresPeople } from '../stores/postgres/cluster/people-store.js';
import { PostgresSessions } from '../stores/postgres/cluster/session-store.js';
import type { Settings } from './settings.js';
import { demoTenant } from './tenants.js';

const passwordBytes = 15;

/** The first administrator's name; the rest of them get theirs from this one. */
export const administrator = 'admin';

export interface OpenPeople {
  options: PeopleOptions;
  /** Password of the first administrator when this start has made one: known now and never again. */
  madePassword: string | undefined;
  close(): Promise<void>;
}

/**
 * Opens people and sessions in the registry, which has been brought up to date. Where people have passwords and our own
 * tenant has nobody yet, its first administrator is made.
 */
export async function openPeople(settings: Settings, databaseUrl: string): Promise<OpenPeople> {
  const connection = new PeopleConnection(databaseUrl);
  const store = new PostgresPeople(connection);
  const options: PeopleOptions = {
    store,
    sessionStore: new PostgresSessions(connection),
    homeTenant: demoTenant,
    idleMs: settings.sessionIdleMs,
    totalMs: settings.sessionMaxMs,
    ...(settings.publicUrl !== undefined && { publicUrl: settings.publicUrl }),
    ...issuer(settings),
  };
  try {
    const madePassword = options.oidc ? undefined : await makeAdministrator(store);
    return { options, madePassword, close: () => connection.close() };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function issuer(settings: Settings): Pick<PeopleOptions, 'oidc'> {
  const { oidcIssuer, oidcClientId, oidcClientSecret, oidcAudience, oidcTenant, publicUrl } = settings;
  // The settings were refused when one of them lacked the others.
  if (oidcIssuer === undefined || oidcClientId === undefined || publicUrl === undefined) return {};
  return {
    oidc: {
      issuer: oidcIssuer,
      clientId: oidcClientId,
      audience: oidcAudience ?? oidcClientId,
      redirectUrl: `${publicUrl.replace(/\/$/, '')}${basePath}/session/oidc/callback`,
      ...(oidcClientSecret !== undefined && { clientSecret: oidcClientSecret }),
      claims: {
        roles: settings.oidcRolesClaim,
        tenant: settings.oidcTenantClaim,
        ...(oidcTenant !== undefined && { tenantOtherwise: oidcTenant }),
      },
    },
  };
}

async function makeAdministrator(store: PostgresPeople): Promise<string | undefined> {
  if ((await store.people(demoTenant, 1)).length > 0) return undefined;
  const password = randomBytes(passwordBytes).toString('base64url');
  const made = await store.addFirstPerson({
    tenantId: demoTenant,
    name: administrator,
    displayName: null,
    roles: ['Administrator'],
    password: await new Passwords().hash(password),
  });
  // Undefined as well when another server was faster.
  return made && password;
}

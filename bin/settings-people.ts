import { isIP } from 'node:net';
import { isSafeUrl } from '../api/oidc-issuer.js';
import { duration, keyShape, pattern, type Setting } from './setting.js';

/** Those of the settings below without a default. */
export type PeopleKey =
  | 'publicUrl'
  | 'trustedProxies'
  | 'oidcIssuer'
  | 'oidcClientId'
  | 'oidcClientSecret'
  | 'oidcAudience'
  | 'oidcTenant';

function url(setting: Omit<Setting<string>, 'expected' | 'parse'>): Setting<string> {
  return {
    ...setting,
    expected: 'an https:// URL, or http:// on this machine',
    parse: (text) => (isSafeUrl(text) && !/[?#]/.test(text) ? text : undefined),
  };
}

/** Addresses and CIDR blocks, as Fastify's `trustProxy` takes them. */
function parseProxies(text: string): string | undefined {
  const blocks = text.split(',').map((block) => block.trim());
  const isBlock = (block: string) => {
    const [address = '', bits = '0', more] = block.split('/');
    const family = isIP(address);
    return family > 0 && more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  };
  return blocks.every(isBlock) ? blocks.join(',') : undefined;
}

const claimShape = /^[\x21-\x7e]{1,256}$/;
const claim = 'the name of a claim, or a path with dots into one';

/** How people reach the server and sign in. */
export const peopleSettings = {
  publicUrl: url({
    env: 'IWD_PUBLIC_URL',
    standard: undefined,
    standardNote: 'what the request itself says',
    description:
      'Where browsers reach the server; https makes the session’s cookie `__Host-` and Secure. Needed for an identity provider.',
  }),
  trustedProxies: {
    env: 'IWD_TRUSTED_PROXIES',
    standard: undefined,
    standardNote: 'none',
    description: 'Proxies whose `X-Forwarded-For` is believed; limits and the audit log go by the client’s address.',
    expected: 'addresses and CIDR blocks separated by commas, such as 10.0.0.0/8',
    parse: parseProxies,
  } satisfies Setting<string>,
  sessionIdleMs: duration(
    { env: 'IWD_SESSION_IDLE', standard: 'PT30M', description: 'A session that is not used ends after this.' },
    { min: 'PT1M', max: 'P7D' },
  ),
  sessionMaxMs: duration(
    { env: 'IWD_SESSION_MAX', standard: 'PT12H', description: 'A session ends after this, whatever its use.' },
    { min: 'PT1M', max: 'P30D' },
  ),
  oidcIssuer: url({
    env: 'IWD_OIDC_ISSUER',
    standard: undefined,
    standardNote: 'people have passwords here',
    description:
      'OpenID Connect issuer (the chart’s `gauth.auth.url`) that people sign in with; passwords are off then.',
  }),
  oidcClientId: pattern(
    {
      env: 'IWD_OIDC_CLIENT_ID',
      standard: undefined,
      standardNote: 'none',
      description:
        'Id of this server at the issuer; its redirect URL there is `IWD_PUBLIC_URL/iwd/v3/session/oidc/callback`.',
    },
    keyShape,
    '1 to 256 printable ASCII characters without spaces',
  ),
  oidcClientSecret: pattern(
    {
      env: 'IWD_OIDC_CLIENT_SECRET',
      standard: undefined,
      standardNote: 'none: a public client, with PKCE alone',
      description: 'Secret of this server at the issuer.',
      secret: true,
    },
    /^[\x20-\x7e]{1,1024}$/,
    '1 to 1024 printable ASCII characters',
  ),
  oidcAudience: pattern(
    {
      env: 'IWD_OIDC_AUDIENCE',
      standard: undefined,
      standardNote: '`IWD_OIDC_CLIENT_ID`',
      description: 'Audience (`aud`) of the bearer tokens that API calls may show.',
    },
    /^[\x21-\x7e]{1,1024}$/,
    '1 to 1024 printable ASCII characters without spaces',
  ),
  oidcRolesClaim: pattern(
    {
      env: 'IWD_OIDC_ROLES_CLAIM',
      standard: 'roles',
      description: 'Claim with the names of a person’s roles, such as `realm_access.roles`.',
    },
    claimShape,
    claim,
  ),
  oidcTenantClaim: pattern(
    {
      env: 'IWD_OIDC_TENANT_CLAIM',
      standard: 'tenant',
      description: 'Claim with the id, short id or name of a person’s tenant.',
    },
    claimShape,
    claim,
  ),
  oidcTenant: pattern(
    {
      env: 'IWD_OIDC_TENANT',
      standard: undefined,
      standardNote: 'none: they are refused',
      description: 'Tenant of those whose token names none.',
    },
    /^[^\p{Cc}]{1,128}$/u,
    'id, short id or name of a tenant',
  ),
} as const;

/** What is wrong with the settings together, a sentence each. */
export function peopleFaults(values: { readonly [K in PeopleKey]?: unknown }): string[] {
  const faults: string[] = [];
  if (values.oidcIssuer !== undefined) {
    if (values.oidcClientId === undefined) faults.push('IWD_OIDC_ISSUER needs IWD_OIDC_CLIENT_ID as well');
    if (values.publicUrl === undefined) faults.push('IWD_OIDC_ISSUER needs IWD_PUBLIC_URL as well');
  }
  return faults;
}

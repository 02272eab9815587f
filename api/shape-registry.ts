import Type from 'typebox';
import { serviceNames } from '../actors/ports/tenant-directory.js';
import { builtInRoles } from './role.js';

/** Shapes of provisioning and of API keys. */

const text = (description: string) => Type.String({ description });
const secret = (description: string) => Type.String({ description, writeOnly: true });
const open = { additionalProperties: true };

const quotas = Type.Object(
  {
    requestsPerSecond: Type.Optional(Type.Integer({ minimum: 0 })),
    openItems: Type.Optional(Type.Integer({ minimum: 0 })),
    payloadBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    queueDepth: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { description: 'Bounds of the tenant; left out: the server’s defaults, 0: none. Without `quotas` they stay.' },
);

const registrationExample = {
  tenant: {
    id: '100',
    name: 't100',
    ccid: '9350e2fc-a1dd-4c65-8d40-1f75a2e080dd',
    apiKey: '049111b4-6cac-4e83-a7bf-37c057b45b0f',
  },
  iwd: {
    url: 'http://iwd.iwd:4024',
    db: { host: 'postgres.infra', port: 5432, database: 'iwd-100', user: 'iwd-100', password: 'secret', ssl: false },
    apiKeys: {
      IWD_APIKEY_TENANT: '22552b96-8783-46a9-b0eb-075ddfa8893e',
      IWD_APIKEY_IWDDM: 'd6b68a7b-12ed-4c3c-830d-215eecdd1a48',
    },
  },
  iwdEmail: { url: 'N/A' },
};

const tenantExample = {
  ccid: '9350e2fc-a1dd-4c65-8d40-1f75a2e080dd',
  id: '100',
  name: 't100',
  state: 'serving',
  quotas: {},
  services: { iWD: { url: 'http://iwd.iwd:4024', db: { host: 'postgres.infra', port: 5432 } } },
  createdDateTime: '2026-03-02T08:30:00.000Z',
  updatedDateTime: '2026-03-02T08:30:00.000Z',
};

const keyExample = {
  id: '0198c5a0-7e1b-4c3d-9f00-5b8f4a2c6d1e',
  name: 'crm',
  scope: 'tenant',
  role: null,
  provisioned: false,
  createdBy: 'anna',
  createdDateTime: '2026-03-02T08:30:00.000Z',
  expiresDateTime: null,
  lastUsedDateTime: null,
  revokedDateTime: null,
};

/** A name that people know the key by. */
const keyName = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[^\\u0000-\\u001f\\p{Surrogate}]*$',
  description: 'What the key is known by; kept in the history of what it does.',
});
const expires = Type.Optional(
  Type.String({ maxLength: 40, description: 'ISO 8601 with an offset; by default never.' }),
);
const closed = { additionalProperties: false };

export const registryShapes = {
  Registration: Type.Object(
    {
      tenant: Type.Object(
        {
          ccid: text('Contact centre id: the tenant’s name in every other call.'),
          id: text('Short id.'),
          name: text('GWS domain.'),
          apiKey: secret('Issued by Digital Channels; `apikey` is read too.'),
          gws: Type.Optional(
            Type.Object(
              {},
              { ...open, description: '`gwsUrl`, `data` (URLs) and `secret`, kept for the GWS connector.' },
            ),
          ),
        },
        open,
      ),
      iwd: Type.Object(
        {
          url: text('Where this service is reached.'),
          db: Type.Object({
            host: text('Name, address, or folder of a Unix socket.'),
            port: Type.Integer({ minimum: 1, maximum: 65_535 }),
            database: text('Created when the user may and it is not there.'),
            user: text('Owner of the database.'),
            password: secret('Kept sealed, never shown.'),
            ssl: Type.Boolean({ description: 'TLS with a verified certificate.' }),
          }),
          apiKeys: Type.Object(
            {
              IWD_APIKEY_TENANT: secret('Is itself the `x-api-key` of the tenant’s callers.'),
              IWD_APIKEY_IWDDM: Type.Optional(secret('Is itself the `x-api-key` of the data mart: reports only.')),
            },
            open,
          ),
          quotas: Type.Optional(quotas),
        },
        open,
      ),
      iwdEmail: Type.Object({ url: text('`N/A`.') }, open),
    },
    { ...open, examples: [registrationExample] },
  ),
  Created: Type.Object({ created: Type.Literal(true) }, { examples: [{ created: true }] }),
  Deleted: Type.Object({ deleted: Type.Literal(true) }, { examples: [{ deleted: true }] }),
  TenantPage: Type.Object(
    {
      tenants: Type.Array(
        Type.Object(
          {
            ccid: text('Contact centre id.'),
            id: text('Short id.'),
            name: text('GWS domain.'),
            state: text('`serving`, `recovering`, `halted`, ...; `not-served` without the iWD service.'),
            services: Type.Object({}, { ...open, description: `Of ${serviceNames.join(', ')}: what is no secret.` }),
            quotas,
          },
          open,
        ),
      ),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
    },
    { examples: [{ tenants: [tenantExample], next: null }] },
  ),
  KeyBody: Type.Object(
    {
      name: keyName,
      scope: Type.Optional(Type.Enum(['tenant', 'datamart'], { description: '`datamart`: reading for reports only.' })),
      role: Type.Optional(Type.Enum([...builtInRoles.keys()], { description: 'Narrows what the key may do.' })),
      expiresDateTime: expires,
    },
    { ...closed, examples: [{ name: 'crm', scope: 'tenant', expiresDateTime: '2027-01-01T00:00:00Z' }] },
  ),
  ClusterKeyBody: Type.Object(
    { name: keyName, expiresDateTime: expires },
    { ...closed, examples: [{ name: 'provisioning pipeline' }] },
  ),
  NewKey: Type.Object(
    {
      id: text('Names the key.'),
      key: Type.String({ readOnly: true, description: 'The key: shown now and never again.' }),
    },
    { ...open, examples: [{ ...keyExample, key: 'iwd_4VGd1Yb7W1oXx5lH4mX0bJq1m0l0m8sE' }] },
  ),
  KeyList: Type.Object({ keys: Type.Array(Type.Object({}, open)) }, { examples: [{ keys: [keyExample] }] }),
} as const;

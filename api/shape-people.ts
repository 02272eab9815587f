import Type from 'typebox';
import { passwordLengthMax, passwordLengthMin } from './password.js';
import { privileges } from './privilege.js';

const closed = { additionalProperties: false };

/** Names that people read in lists and histories: no control characters, no blanks at the ends. */
const plainName = '^(?! )[^\\p{Cc}\\p{Surrogate}]*[^\\p{Cc}\\p{Surrogate} ]$';
const storable = '^[^\\u0000\\p{Surrogate}]*$';
export const nameLengthMax = 128;
export const rolesOfPersonMax = 20;

const name = (description: string, example: string) =>
  Type.String({ minLength: 1, maxLength: nameLengthMax, pattern: plainName, description, examples: [example] });

const newPassword = Type.String({
  minLength: passwordLengthMin,
  maxLength: passwordLengthMax,
  pattern: storable,
  description: 'Any text of this length; a sentence is better than a word with digits.',
});
/** One that is tried: its length tells nobody anything, so no rule but a bound. */
const triedPassword = Type.String({ minLength: 1, maxLength: passwordLengthMax, pattern: storable });

const personName = name('Unique in the tenant, whatever the case; kept in the history.', 'ada');
const displayName = Type.Optional(Type.Union([name('For people to read.', 'Ada Lovelace'), Type.Null()]));
const roles = Type.Array(name('A built-in role or one of the tenant’s own.', 'IWD Supervisor'), {
  maxItems: rolesOfPersonMax,
  uniqueItems: true,
});
const disabled = Type.Optional(Type.Boolean({ description: 'True: may not sign in, and all sessions end.' }));
const privilege = Type.Enum([...privileges]);

const personExample = {
  id: '4f3c8a52-6c1d-4b0e-9a39-0a9a3c1f7e21',
  name: 'ada',
  displayName: 'Ada Lovelace',
  roles: ['IWD Supervisor'],
  disabled: false,
  hasPassword: true,
  external: false,
  createdDateTime: '2026-03-02T08:30:00.000Z',
  updatedDateTime: '2026-03-02T08:30:00.000Z',
};
const roleExample = {
  name: 'Night shift',
  builtIn: false,
  privileges: ['iWD.Workitems.canRead', 'iWD.Next.canExecute'],
};
const sessionExample = {
  kind: 'user',
  name: 'ada',
  tenantId: 'demo',
  scope: 'tenant',
  privileges: ['iWD.Workitems.canRead'],
  csrfToken: 'rMpuU0Y7qgRZLmtU6cQ4cl6wYpRb1TQJ8Kg8iSxIuJM',
};

const person = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    name: Type.String(),
    displayName: Type.Union([Type.String(), Type.Null()]),
    roles: Type.Array(Type.String()),
    disabled: Type.Boolean(),
    hasPassword: Type.Boolean(),
    external: Type.Boolean({ description: 'Signs in through the identity provider.' }),
    createdDateTime: Type.String({ format: 'date-time' }),
    updatedDateTime: Type.String({ format: 'date-time' }),
  },
  { examples: [personExample] },
);

const role = Type.Object(
  { name: Type.String(), builtIn: Type.Boolean(), privileges: Type.Array(privilege) },
  { examples: [roleExample] },
);

export const peopleShapes = {
  SignInBody: Type.Object(
    {
      tenant: Type.Optional(name('Id, short id or name of the tenant; by default the server’s own.', 'demo')),
      name: name('The person’s name.', 'ada'),
      password: triedPassword,
    },
    { ...closed, examples: [{ name: 'ada', password: 'correct horse battery staple' }] },
  ),
  PasswordBody: Type.Object(
    { current: triedPassword, password: newPassword },
    { ...closed, examples: [{ current: 'correct horse battery staple', password: 'a longer sentence that is new' }] },
  ),
  Session: Type.Object(
    {
      kind: Type.Enum(['key', 'user']),
      name: Type.String(),
      tenantId: Type.Union([Type.String(), Type.Null()], { description: 'Null for the cluster key.' }),
      scope: Type.Enum(['cluster', 'tenant', 'datamart']),
      privileges: Type.Array(privilege),
      csrfToken: Type.Optional(
        Type.String({ description: 'Only in a session: to be sent as x-csrf-token with all that changes something.' }),
      ),
    },
    { examples: [sessionExample] },
  ),
  SignInMethods: Type.Object(
    { password: Type.Boolean(), oidc: Type.Boolean() },
    { examples: [{ password: true, oidc: false }] },
  ),
  NewPersonBody: Type.Object(
    { name: personName, displayName, roles, password: Type.Optional(newPassword) },
    {
      ...closed,
      examples: [{ name: 'ada', roles: ['IWD Supervisor'], password: 'correct horse battery staple' }],
    },
  ),
  PersonBody: Type.Object(
    { displayName, roles, disabled, password: Type.Optional(newPassword) },
    { ...closed, examples: [{ displayName: 'Ada Lovelace', roles: ['IWD Supervisor'], disabled: false }] },
  ),
  Person: person,
  PersonPage: Type.Object(
    {
      items: Type.Array(Type.Ref('#/components/schemas/Person')),
      next: Type.Union([Type.String(), Type.Null()], { description: 'Cursor of the next page.' }),
    },
    { examples: [{ items: [personExample], next: null }] },
  ),
  RoleBody: Type.Object(
    { privileges: Type.Array(privilege, { maxItems: privileges.length, uniqueItems: true }) },
    { ...closed, examples: [{ privileges: roleExample.privileges }] },
  ),
  Role: role,
  RoleList: Type.Object(
    { roles: Type.Array(Type.Ref('#/components/schemas/Role')) },
    { examples: [{ roles: [roleExample] }] },
  ),
} as const;

import type { Person, PersonChange } from '../actors/ports/people.js';
import { pageItemsDefault } from '../engine/limits.js';
import { type Fault, reject } from '../engine/rejection.js';
import type { Caller } from './caller.js';
import { answering, type Handlers, type LocalAnswer, type LocalAsk } from './handler.js';
import { readId } from './header.js';
import { basePath } from './operation.js';
import type { People } from './people.js';
import { privilegesOf } from './person-identity.js';
import { isPrivilege, type Privilege } from './privilege.js';
import type { Problem } from './problem.js';
import { builtInRoles, type Role } from './role.js';
import { nameLengthMax } from './shape-people.js';

/** People and roles of the caller's own tenant: no request can say another one. */
export const peopleHandlers: Handlers = {
  listUsers: withPeople(async ({ query, tenantId }, people) => {
    const limit = query.limit ?? pageItemsDefault;
    const after = query.cursor === undefined ? undefined : Buffer.from(query.cursor, 'base64url').toString('utf8');
    if (after !== undefined && !isName(after))
      return { code: 'invalid-cursor', detail: 'The cursor is not one of ours.' };
    const found = await people.store.people(tenantId, limit + 1, after);
    const items = found.slice(0, limit);
    const next = found.length > limit ? Buffer.from(items.at(-1)!.name).toString('base64url') : null;
    return { status: 200, body: { items: items.map(personBody), next } };
  }),
  getUser: withPeople(async (ask, people) => {
    const person = await findPerson(ask, people);
    return person ? { status: 200, body: personBody(person) } : noPerson;
  }),
  addUser: withPeople(addUser),
  putUser: withPeople(putUser),
  removeUser: withPeople(async (ask, people) => {
    const { tenantId, caller, doer } = ask;
    const person = await findPerson(ask, people);
    if (!person) return noPerson;
    const refused = refusedOver(caller, privilegesOf(person));
    if (refused) return refused;
    await people.store.removePerson(tenantId, person.id, doer);
    forgetPerson(people, person.id);
    return { status: 204 };
  }),
  listRoles: withPeople(async ({ tenantId }, people) => {
    const roles = await rolesOf(people, tenantId);
    return { status: 200, body: { roles: [...roles.values()].map(roleBody) } };
  }),
  getRole: withPeople(async ({ params, tenantId }, people) => {
    const role = (await rolesOf(people, tenantId)).get(params.name!);
    return role ? { status: 200, body: roleBody(role) } : noRole;
  }),
  putRole: withPeople(putRole),
  removeRole: withPeople(removeRole),
};

interface Ask extends LocalAsk {
  caller: Caller;
  tenantId: string;
  doer: { by: string; from: string };
}

function withPeople(work: (ask: Ask, people: People) => Promise<LocalAnswer | Problem>): Handlers[string] {
  return answering(async (ask, { people }) => {
    if (!people) return { code: 'not-found', detail: 'This server has no registry of people: keys only.' };
    const caller = ask.request.caller as Caller;
    return work({ ...ask, caller, tenantId: caller.tenantId, doer: { by: caller.name, from: caller.from } }, people);
  });
}

async function addUser({ body, caller, tenantId, doer }: Ask, people: People): Promise<LocalAnswer | Problem> {
  const {
    name,
    displayName = null,
    roles,
    password,
  } = body as {
    name: string;
    displayName?: string | null;
    roles: string[];
    password?: string;
  };
  const refused = (await refusedRoles(caller, people, roles)) ?? weakPassword(name, password);
  if (refused) return refused;
  const hash = password === undefined ? null : await people.hashes.hash(password);
  const added = await people.store.addPerson({ tenantId, name, displayName, roles, password: hash }, doer);
  if (typeof added === 'string') return conflicts[added];
  return { status: 201, body: personBody(added), location: `${basePath}/users/${added.id}` };
}

async function putUser(ask: Ask, people: People): Promise<LocalAnswer | Problem> {
  const { body, caller, tenantId, doer } = ask;
  const person = await findPerson(ask, people);
  if (!person) return noPerson;
  const { displayName, roles, disabled, password } = body as {
    displayName?: string | null;
    roles: string[];
    disabled?: boolean;
    password?: string;
  };
  const refused =
    refusedOver(caller, privilegesOf(person)) ??
    (await refusedRoles(caller, people, roles)) ??
    weakPassword(person.name, password);
  if (refused) return refused;
  const change: PersonChange = {
    ...(displayName !== undefined && { displayName }),
    // Said as they are, they end no session.
    ...(roles.join('\n') !== person.roles.join('\n') && { roles }),
    ...(disabled !== undefined && disabled !== person.disabled && { disabled }),
    ...(password !== undefined && { password: await people.hashes.hash(password) }),
  };
  const changed = await people.store.changePerson(tenantId, person.id, change, doer);
  forgetPerson(people, person.id);
  return changed ? { status: 200, body: personBody(changed) } : noPerson;
}

async function putRole({ params, body, caller, tenantId, doer }: Ask, people: People): Promise<LocalAnswer | Problem> {
  const name = params.name!;
  if (!isName(name)) return badName;
  if (builtInRoles.has(name)) return builtIn;
  const { privileges } = body as { privileges: Privilege[] };
  const before = (await rolesOf(people, tenantId)).get(name);
  const refused = refusedOver(caller, [...privileges, ...(before?.privileges ?? [])]);
  if (refused) return refused;
  const put = await people.store.putRole(tenantId, name, privileges, doer);
  if (put === 'too-many') return { code: 'conflict', detail: 'The tenant has as many roles as it may have.' };
  forgetTenant(people, tenantId);
  return { status: put === 'created' ? 201 : 200, body: { name, builtIn: false, privileges } };
}

async function removeRole({ params, caller, tenantId, doer }: Ask, people: People): Promise<LocalAnswer | Problem> {
  const name = params.name!;
  if (builtInRoles.has(name)) return builtIn;
  const role = (await rolesOf(people, tenantId)).get(name);
  if (!role) return noRole;
  const refused = refusedOver(caller, role.privileges);
  if (refused) return refused;
  const removed = await people.store.removeRole(tenantId, name, doer);
  if (removed === 'in-use')
    return { code: 'conflict', detail: 'People or keys have this role: take it from them first.' };
  return removed === 'removed' ? { status: 204 } : noRole;
}

async function rolesOf({ store }: People, tenantId: string): Promise<Map<string, Role>> {
  const own = await store.roles(tenantId);
  return new Map([
    ...builtInRoles,
    ...own.map(({ name, privileges }): [string, Role] => [
      name,
      { name, privileges: new Set(privileges.filter(isPrivilege)) },
    ]),
  ]);
}

/** Roles that do not exist, or that allow what the caller may not do: nobody can give what they do not have. */
async function refusedRoles(caller: Caller, people: People, names: readonly string[]): Promise<Problem | undefined> {
  const known = await rolesOf(people, caller.tenantId);
  const faults = names.flatMap((name, index): Fault[] =>
    known.has(name)
      ? []
      : [{ pointer: `/roles/${index}`, code: 'invalid-value', detail: `There is no role ${JSON.stringify(name)}.` }],
  );
  if (faults.length > 0) return reject('invalid-value', faults[0]!.detail, { faults });
  return refusedOver(
    caller,
    names.flatMap((name) => [...known.get(name)!.privileges]),
  );
}

/** Whoever may do more than the caller is none of the caller's business, or a password of theirs would be a way up. */
function refusedOver({ privileges }: Caller, others: Iterable<Privilege>): Problem | undefined {
  const beyond = [...others].find((privilege) => !privileges.has(privilege));
  return (
    beyond && {
      code: 'forbidden',
      detail: `That goes beyond what you may do: ${beyond}.`,
      facts: { privilege: beyond },
    }
  );
}

/** Undefined when the password will do; its length was checked by the shape. */
export function weakPassword(name: string, password: string | undefined): Problem | undefined {
  if (password === undefined || !password.toLowerCase().includes(name.toLowerCase())) return undefined;
  const fault: Fault = { pointer: '/password', code: 'invalid-value', detail: 'The password must not hold the name.' };
  return reject('invalid-value', fault.detail, { faults: [fault] });
}

async function findPerson({ params, tenantId }: Ask, { store }: People): Promise<Person | undefined> {
  const id = readId(params.id!);
  return id === undefined ? undefined : store.person(tenantId, id);
}

function forgetPerson(people: People, id: string): void {
  people.sessions.forget(({ personId }) => personId === id);
  people.oidc?.forget();
}

function forgetTenant(people: People, tenantId: string): void {
  people.sessions.forget((identity) => identity.tenantId === tenantId);
  people.oidc?.forget();
}

function isName(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= nameLengthMax &&
    text.trim() === text &&
    !/[\p{Cc}\p{Surrogate}\uFFFD]/u.test(text)
  );
}

function personBody({ id, name, displayName, roles, disabled, hasPassword, external, createdAt, updatedAt }: Person) {
  const [createdDateTime, updatedDateTime] = [createdAt, updatedAt].map((at) => new Date(at).toISOString());
  return { id, name, displayName, roles, disabled, hasPassword, external, createdDateTime, updatedDateTime };
}

function roleBody({ name, privileges }: Role) {
  return { name, builtIn: builtInRoles.has(name), privileges: [...privileges] };
}

const noPerson: Problem = { code: 'not-found', detail: 'There is no person with this id.' };
const noRole: Problem = { code: 'not-found', detail: 'There is no role of this name.' };
const builtIn: Problem = { code: 'conflict', detail: 'Built-in roles cannot be changed; make one of your own.' };
const badName: Problem = {
  code: 'invalid-value',
  detail: `The name of a role has 1 to ${nameLengthMax} characters, no control characters and no blanks at its ends.`,
};
const conflicts: Record<'name-taken' | 'too-many' | 'no-tenant', Problem> = {
  'name-taken': { code: 'conflict', detail: 'Somebody has this name already.' },
  'too-many': { code: 'conflict', detail: 'The tenant has as many people as it may have.' },
  'no-tenant': { code: 'not-found', detail: 'The tenant is no longer registered.' },
};

import type { Person } from '../actors/ports/people.js';
import type { Identity } from './caller.js';
import { isPrivilege, type Privilege } from './privilege.js';
import { builtInRoles } from './role.js';

/** What a person may do: all that one of the roles allows. A role that no longer is allows nothing. */
export function privilegesOf({ roles, ownPrivileges }: Pick<Person, 'roles' | 'ownPrivileges'>): Set<Privilege> {
  const privileges = new Set(ownPrivileges.filter(isPrivilege));
  for (const name of roles) for (const privilege of builtInRoles.get(name)?.privileges ?? []) privileges.add(privilege);
  return privileges;
}

export function personIdentity(person: Person): Identity {
  return Object.freeze({
    tenantId: person.tenantId,
    name: person.name,
    kind: 'user',
    scope: 'tenant',
    privileges: privilegesOf(person),
    personId: person.id,
  });
}

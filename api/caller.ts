import type { KeyScope } from '../actors/ports/tenant-directory.js';
import type { Access, Privilege } from './privilege.js';
import type { Problem } from './problem.js';
import { allPrivileges, noPrivileges, reportingPrivileges } from './role.js';

/** Who a key or a session belongs to. The tenant comes from here and from nothing else that a request says. */
export interface Identity {
  /** Empty for the cluster key: it belongs to no tenant, and no operation on a tenant's data lets it in. */
  readonly tenantId: string;
  /** Name of the key or the person, kept in the history; never a secret. */
  readonly name: string;
  readonly kind: 'key' | 'user';
  readonly scope: KeyScope;
  readonly privileges: ReadonlySet<Privilege>;
  /** Id of the person, where it is one that we know. */
  readonly personId?: string;
}

/** An identity and where it called from. */
export interface Caller extends Identity {
  /** The client's address, for audit and limits. */
  readonly from: string;
}

/** The identity behind a key; `restricted` are the privileges of a key that has a role. */
export function keyIdentity(
  { tenantId, name, scope = 'tenant' }: { tenantId: string; name: string; scope?: KeyScope },
  restricted?: ReadonlySet<Privilege>,
): Identity {
  const widest = { cluster: noPrivileges, tenant: allPrivileges, datamart: reportingPrivileges }[scope];
  const privileges = restricted ? new Set([...restricted].filter((one) => widest.has(one))) : widest;
  return Object.freeze({ tenantId, name, kind: 'key', scope, privileges });
}

/** Why this identity may not call an operation; undefined when it may. */
export function refusalOf(identity: Identity, access: Access): Problem | undefined {
  if (access === 'open' || access === 'signed-in') return undefined;
  if (access === 'cluster') return identity.scope === 'cluster' ? undefined : needsCluster;
  if (identity.privileges.has(access)) return undefined;
  return {
    code: 'forbidden',
    detail: `This needs the privilege ${access}, which ${identity.kind === 'user' ? 'you do' : 'this key does'} not have.`,
    facts: { privilege: access },
  };
}

const needsCluster: Problem = {
  code: 'forbidden',
  detail: 'This needs the cluster key, which belongs to the operator of the server.',
  facts: { privilege: 'cluster' },
};

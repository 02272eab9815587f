import type { KeyScope } from '../actors/ports/tenant-directory.js';
import { keyIdentity } from './caller.js';
import { KeyRing } from './key-ring.js';
import type { Privilege } from './privilege.js';

export type { Tenants } from './key-ring.js';

export interface ApiKey {
  key: string;
  /** Empty for the scope `cluster`. */
  tenantId: string;
  name: string;
  /** By default `tenant`. */
  scope?: KeyScope;
  /** What a key with a role may do, at most; absent: everything of its scope. */
  privileges?: ReadonlySet<Privilege>;
}

/** A ring of fixed keys. Throws when one key is given twice, for two tenants would then share it. */
export function apiKeys(entries: Iterable<ApiKey>): KeyRing {
  const ring = new KeyRing();
  for (const { key, privileges, ...owner } of entries) ring.addFixed(key, keyIdentity(owner, privileges));
  return ring;
}

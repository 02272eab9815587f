import type { JWTPayload } from 'jose';

/** Which claims of a token say what. */
export interface ClaimNames {
  /** A claim's name, or a path with dots into one: `realm_access.roles`. */
  roles: string;
  tenant: string;
  /** Tenant of whoever's token names none; without it such a token is refused. */
  tenantOtherwise?: string;
}

/** Who a token says that somebody is. */
export interface Claims {
  subject: string;
  /** As the provider calls it. */
  tenant?: string;
  name: string;
  displayName: string | null;
  /** Undefined when the token says nothing of roles. */
  roles?: string[];
}

const rolesMax = 100;
const nameLengthMax = 128;

/** What we need of a verified token; undefined when it does not say who it is about. */
export function claimsOf(payload: JWTPayload, names: ClaimNames): Claims | undefined {
  if (!isText(payload.sub) || !isText(payload.iss)) return undefined;
  const name = [payload.preferred_username, payload.email, payload.sub].find(isText)!;
  const tenant = [claim(payload, names.tenant), names.tenantOtherwise].find(isText);
  const roles = claim(payload, names.roles);
  return {
    subject: `${payload.iss} ${payload.sub}`,
    ...(tenant !== undefined && { tenant }),
    name: name.slice(0, nameLengthMax),
    displayName: isText(payload.name) ? payload.name.slice(0, nameLengthMax) : null,
    ...(roles !== undefined && { roles: [roles].flat().filter(isText).slice(0, rolesMax) }),
  };
}

/** The claim of that very name, for some are URLs, else what the dots lead to. */
function claim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let node: unknown = payload;
  for (const step of name.split('.')) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, step)) return undefined;
    node = (node as Record<string, unknown>)[step];
  }
  return node;
}

/** A text that can be stored and shown: no control characters, no lone surrogates. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 1024 && !/[\p{Cc}\p{Surrogate}]/u.test(value);
}

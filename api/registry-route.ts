import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  type Author,
  DatabaseUnusable,
  DirectoryConflict,
  type KeyEntry,
  type KeyScope,
  MasterKeyMissing,
  type Registration,
  type Registry,
  RegistryBusy,
  RegistryUnavailable,
  type ServiceName,
  type Tenant,
} from '../actors/ports/tenant-directory.js';
import { formatInstant, parseInstant } from '../engine/instant.js';
import { pageItemsDefault } from '../engine/limits.js';
import { fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import { type Caller, keyIdentity } from './caller.js';
import type { Front } from './front.js';
import type { Handler, Handlers } from './handler.js';
import { readId } from './header.js';
import { sha256 } from './key-ring.js';
import { type Problem, sendProblem } from './problem.js';
import { readQuery } from './query.js';
import { readRegistration } from './registration-body.js';
import { builtInRoles } from './role.js';

const keyBytes = 24;

/** What these handlers answer: a status with a body, or a problem. */
type Outcome = { status: number; body?: object } | Problem | Rejection;
type Work = (registry: Registry, request: FastifyRequest, front: Front) => Promise<Outcome>;

export const registryHandlers: Handlers = {
  provision: handler(provision),
  'provision-again': handler(provision),
  tenants: handler(listTenants),
  deprovision: handler(deprovision),
  keys: handler(listKeys),
  'make-key': handler(makeKey),
  'revoke-key': handler(revokeKey),
  'cluster-keys': handler(listKeys),
  'cluster-make-key': handler(makeKey),
  'cluster-revoke-key': handler(revokeKey),
};

/** What the registry refuses becomes a problem; anything else is a mistake of ours. */
function handler(work: Work): (front: Front) => Handler {
  return (front) => async (request, reply) => {
    const outcome = await attempt(work, request, front);
    return 'code' in outcome ? sendProblem(reply, outcome) : send(reply, outcome);
  };
}

function send(reply: FastifyReply, { status, body }: { status: number; body?: object }): FastifyReply {
  return body === undefined ? reply.code(status).send() : reply.code(status).send(body);
}

async function attempt(work: Work, request: FastifyRequest, front: Front): Promise<Outcome> {
  if (front.registry === undefined) return noRegistry;
  try {
    return await work(front.registry, request, front);
  } catch (error) {
    const problem = problemOfRegistry(error);
    if (problem === undefined) throw error;
    return problem;
  }
}

const noRegistry: Problem = { code: 'not-configured', detail: 'This server has no registry of tenants.' };

function problemOfRegistry(error: unknown): Problem | undefined {
  if (error instanceof DirectoryConflict) {
    const { pointer, message } = error;
    const detail = `${message[0]!.toUpperCase()}${message.slice(1)}.`;
    return { code: 'conflict', detail, ...(pointer && { faults: [{ pointer, code: 'invalid-value', detail }] }) };
  }
  if (error instanceof DatabaseUnusable) {
    return { code: error.taken ? 'conflict' : 'database-unusable', detail: error.message };
  }
  if (error instanceof MasterKeyMissing) return { code: 'not-configured', detail: `Not done: ${error.message}.` };
  if (error instanceof RegistryBusy) {
    return { code: 'too-many-requests', detail: `${error.message}.`, retryAfterSeconds: 2 };
  }
  if (error instanceof RegistryUnavailable) {
    return { code: 'unavailable', detail: 'The registry of tenants does not answer; try again.', retryAfterSeconds: 2 };
  }
  return undefined;
}

async function provision(registry: Registry, request: FastifyRequest, front: Front): Promise<Outcome> {
  if (request.body === undefined) return reject('invalid-json', 'A body is required here.');
  const registration = readRegistration(request.body as Buffer, front.settings.databaseHosts);
  if (isRejection(registration)) return registration;
  const taken = takenKey(registration, front);
  if (taken) return taken;
  await registry.put(registration, authorOf(request));
  return { status: 200, body: { created: true } };
}

/** Keys of the settings are not in the registry, which refuses those of other tenants by itself. */
function takenKey({ id, keys }: Registration, { tenants }: Front): Problem | undefined {
  for (const [name, key] of Object.entries(keys)) {
    const identity = tenants.findByKey(key);
    if (identity === undefined || identity.tenantId === id) continue;
    const detail = `${name} is in use already.`;
    return { code: 'conflict', detail, faults: [{ pointer: `/iwd/apiKeys/${name}`, code: 'invalid-value', detail }] };
  }
  return undefined;
}

async function listTenants(registry: Registry, request: FastifyRequest, front: Front): Promise<Outcome> {
  const query = readQuery(request.query, ['limit', 'cursor']);
  if ('rejected' in query) return query;
  const limit = query.limit ?? pageItemsDefault;
  const tenants = await registry.tenants({ limit: limit + 1, afterId: query.cursor });
  const { tenants: states } = await front.engine.ready();
  const page = tenants.slice(0, limit).map((tenant) => shownTenant(tenant, states[tenant.id] ?? 'not-served'));
  return { status: 200, body: { tenants: page, next: tenants.length > limit ? page.at(-1)!.ccid : null } };
}

/** Member by member: what a later release adds to a tenant is not shown before somebody decides so. */
function shownTenant({ id, shortId, name, quotas, services, createdAt, updatedAt }: Tenant, state: string) {
  return {
    ccid: id,
    id: shortId,
    name,
    state,
    quotas,
    services,
    createdDateTime: formatInstant(createdAt),
    updatedDateTime: formatInstant(updatedAt),
  };
}

async function deprovision(registry: Registry, request: FastifyRequest): Promise<Outcome> {
  const query = readQuery(request.query, ['service', 'deleteTenant']);
  if ('rejected' in query) return query;
  const { ccid } = request.params as { ccid: string };
  const all = query.deleteTenant?.[0] === 'true';
  const services = (query.service ?? []) as ServiceName[];
  if (!all && services.length === 0) {
    return fault('?service', 'missing-field', 'Give service=iWD,iWDEmail (the ones to remove) or deleteTenant=true.');
  }
  const author = authorOf(request);
  const there = await (all ? registry.remove(ccid, author) : registry.removeServices(ccid, services, author));
  return there ? { status: 200, body: { deleted: true } } : { code: 'not-found', detail: 'There is no such tenant.' };
}

async function listKeys(registry: Registry, request: FastifyRequest): Promise<Outcome> {
  const query = readQuery(request.query, ['limit']);
  if ('rejected' in query) return query;
  const keys = await registry.keys(ownerOf(request), query.limit ?? pageItemsDefault);
  return { status: 200, body: { keys: keys.map(shownKey) } };
}

function shownKey(key: KeyEntry) {
  const at = (ms: number | null) => (ms === null ? null : formatInstant(ms));
  return {
    id: key.id,
    name: key.name,
    scope: key.scope,
    role: key.role,
    provisioned: key.provisioned,
    createdBy: key.createdBy,
    createdDateTime: at(key.createdAt),
    expiresDateTime: at(key.expiresAt),
    lastUsedDateTime: at(key.lastUsedAt),
    revokedDateTime: at(key.revokedAt),
  };
}

interface KeyBody {
  name: string;
  scope?: 'tenant' | 'datamart';
  role?: string;
  expiresDateTime?: string;
}

async function makeKey(registry: Registry, request: FastifyRequest): Promise<Outcome> {
  const body = request.body as KeyBody;
  const tenantId = ownerOf(request);
  const scope: KeyScope = tenantId === null ? 'cluster' : (body.scope ?? 'tenant');
  const role = body.role ?? null;
  const expiresAt = body.expiresDateTime === undefined ? null : parseInstant(body.expiresDateTime);
  if (expiresAt === undefined || (expiresAt !== null && expiresAt <= Date.now())) {
    return fault(
      '/expiresDateTime',
      'invalid-value',
      'expiresDateTime must be a time to come, ISO 8601 with an offset.',
    );
  }
  const tooMuch = exceeding(request.caller as Caller, { tenantId: tenantId ?? '', name: body.name, scope }, role);
  if (tooMuch) return tooMuch;
  const key = `iwd_${randomBytes(keyBytes).toString('base64url')}`;
  const entry = await registry.addKey(
    { tenantId, name: body.name, scope, role, digest: sha256(key), expiresAt },
    authorOf(request),
  );
  return { status: 201, body: { ...shownKey(entry), key } };
}

/** Nobody makes a key that may do more than they may themselves. */
function exceeding(
  caller: Caller,
  owner: { tenantId: string; name: string; scope: KeyScope },
  role: string | null,
): Problem | undefined {
  const wanted = keyIdentity(owner, role === null ? undefined : builtInRoles.get(role)!.privileges);
  const beyond = [...wanted.privileges].filter((privilege) => !caller.privileges.has(privilege));
  if (beyond.length === 0) return undefined;
  return {
    code: 'forbidden',
    detail: `The key would have privileges that you do not have, such as ${beyond[0]}: give it a role.`,
    facts: { privilege: beyond[0] },
  };
}

async function revokeKey(registry: Registry, request: FastifyRequest): Promise<Outcome> {
  const id = readId((request.params as { id: string }).id);
  const revoked = id !== undefined && (await registry.revokeKey(ownerOf(request), id, authorOf(request)));
  return revoked ? { status: 204 } : { code: 'not-found', detail: 'There is no such key.' };
}

/** Whose keys a request is about: the caller's tenant's, or the cluster's. */
function ownerOf(request: FastifyRequest): string | null {
  return (request.caller as Caller).tenantId || null;
}

function authorOf(request: FastifyRequest): Author {
  const { name, from } = request.caller as Caller;
  return { name, from };
}

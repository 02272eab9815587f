import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Person } from '../actors/ports/people.js';
import type { Caller, Identity } from './caller.js';
import { foreign } from './credentials.js';
import type { Front } from './front.js';
import { answering, type Handlers, type LocalAnswer, type LocalAsk } from './handler.js';
import { type Callback, signInMsMax } from './oidc-sign-in.js';
import type { People } from './people.js';
import { weakPassword } from './people-route.js';
import { personIdentity } from './person-identity.js';
import { type Problem, sendProblem } from './problem.js';
import { csrfToken } from './session.js';

/** Sessions: signing in, looking who one is, signing out. */
export const sessionHandlers: Handlers = {
  getSignInMethods: answering(async (_ask, { people }) => ({
    status: 200,
    body: { password: people?.passwords !== undefined, oidc: people?.oidc !== undefined },
  })),
  signIn: withPeople(signIn),
  getSession: answering(async ({ request }, { people }) => {
    const caller = request.caller as Caller;
    const token = caller.personId === undefined ? undefined : people?.cookies.read(request, 'session');
    const isSession = token !== undefined && !hasOtherCredentials(request);
    return { status: 200, body: sessionBody(caller, isSession ? token : undefined) };
  }),
  signOut: withPeople(async ({ request, reply }, people) => {
    const token = people.cookies.read(request, 'session');
    if (token !== undefined && !hasOtherCredentials(request)) await people.sessions.close(token);
    people.cookies.clear(request, reply, 'session');
    return { status: 204 };
  }),
  changePassword: withPeople(changePassword),
  beginOidc: withPeople(async ({ request, reply, query }, people) => {
    if (!people.oidc) return noIssuer;
    const returnTo = query.returnTo ?? '/';
    if (!/^\/(?![/\\])[\x21-\x7e]*$/.test(returnTo)) return notHere;
    const begun = await people.oidc.begin(returnTo);
    if ('code' in begun) return begun;
    people.cookies.write(request, reply, 'sign-in', begun.state, signInMsMax);
    return { status: 302, location: begun.url };
  }),
  finishOidc: (front) => async (request, reply) => finishOidc(front, request, reply),
};

type Work = (ask: LocalAsk, people: People) => Promise<LocalAnswer | Problem>;

function withPeople(work: Work): Handlers[string] {
  return answering(async (ask, { people }) => (people ? work(ask, people) : noPeople));
}

async function signIn({ request, reply, body }: LocalAsk, people: People): Promise<LocalAnswer | Problem> {
  if (people.cookies.isForeign(request)) return foreign;
  if (!people.passwords) return useIssuer;
  const { tenant = people.homeTenant, name, password } = body as { tenant?: string; name: string; password: string };
  const person = await people.passwords.check({ tenant, name, password }, request.ip);
  if ('code' in person) {
    if (person.code === 'unauthorized') await recordRefusal(people, name, request.ip, tenant);
    return person;
  }
  const token = await openSession(people, person, request, reply);
  return { status: 200, body: sessionBody(personIdentity(person), token) };
}

/** The log knows tenants by their ids; one that nobody has is not kept, for it may be a password typed in the wrong place. */
async function recordRefusal({ store, sessionStore }: People, name: string, from: string, called: string) {
  const tenantId = await store.tenant(called);
  await sessionStore.refused({ name, from, ...(tenantId !== undefined && { tenantId }) });
}

async function openSession(
  people: People,
  person: Person,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const { token } = await people.sessions.open(person, request.ip);
  people.cookies.write(request, reply, 'session', token, people.sessionMsMax);
  return token;
}

function sessionBody({ kind, name, tenantId, scope, privileges }: Identity, token: string | undefined): object {
  return {
    kind,
    name,
    tenantId: tenantId === '' ? null : tenantId,
    scope,
    privileges: [...privileges].sort(),
    ...(token !== undefined && { csrfToken: csrfToken(token) }),
  };
}

/** The cookie may have come along with a credential that counts before it. */
function hasOtherCredentials({ headers }: FastifyRequest): boolean {
  return headers['x-api-key'] !== undefined || headers.authorization !== undefined;
}

async function changePassword({ request, reply, body }: LocalAsk, people: People): Promise<LocalAnswer | Problem> {
  const { personId, tenantId, name } = request.caller as Caller;
  const person = personId === undefined ? undefined : await people.store.person(tenantId, personId);
  if (!person || !people.passwords) return noPassword;
  const { current, password } = body as { current: string; password: string };
  const weak = weakPassword(name, password);
  if (weak) return weak;
  const confirmed = await people.passwords.confirm(person, current, request.ip);
  if ('code' in confirmed) return confirmed;
  const change = { password: await people.hashes.hash(password) };
  await people.store.changePerson(tenantId, person.id, change, { by: name, from: request.ip });
  people.sessions.forget((identity) => identity.personId === person.id);
  people.cookies.clear(request, reply, 'session');
  return { status: 204 };
}

async function finishOidc({ people }: Front, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!people?.oidc) return sendProblem(reply, noIssuer);
  const expected = people.cookies.read(request, 'sign-in');
  const finished = await people.oidc.finish(texts(request.query), expected);
  people.cookies.clear(request, reply, 'sign-in');
  if ('code' in finished) {
    if (finished.code !== 'unavailable') await people.sessionStore.refused({ name: 'oidc', from: request.ip });
    return sendProblem(reply, finished);
  }
  await openSession(people, finished.person, request, reply);
  return reply.code(302).header('location', finished.returnTo).send();
}

/** The issuer decides which parameters it sends along, so unknown ones are no fault here. */
function texts(query: unknown): Callback {
  const pairs = Object.entries(query as Record<string, unknown>).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(pairs) as Callback;
}

const noPeople: Problem = { code: 'not-found', detail: 'This server has no registry of people: keys only.' };
const noIssuer: Problem = { code: 'not-found', detail: 'No identity provider is set up here.' };
const useIssuer: Problem = {
  code: 'forbidden',
  detail: 'People sign in through the identity provider here: GET /session/oidc.',
};
const noPassword: Problem = {
  code: 'forbidden',
  detail: 'Only people who sign in with a password here have one to change.',
};
const notHere: Problem = {
  code: 'invalid-value',
  detail: 'returnTo must be a path of this server, such as /queue.',
  faults: [{ pointer: '?returnTo', code: 'invalid-value', detail: 'expected a path that begins with one slash' }],
};

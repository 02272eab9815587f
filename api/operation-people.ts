import { smallBodyProblems as bodyProblems, json, type Operation, type OperationAnswer } from './operation-form.js';
import type { ProblemCode } from './problem.js';
import type { ShapeName } from './shape.js';

const queryProblems: readonly ProblemCode[] = ['invalid-value', 'unknown-field'];

const body = (shape: ShapeName): Operation['body'] => ({ kind: 'small', content: { [json]: shape }, required: true });
const none = (description: string): OperationAnswer => ({ description });

const session: OperationAnswer = { description: 'Who that is, and what they may do.', shape: 'Session' };

const sessionOperations: readonly Operation[] = [
  {
    id: 'getSignInMethods',
    method: 'GET',
    path: '/session/methods',
    summary: 'How people can sign in here',
    access: 'open',
    answers: { 200: { description: 'Which ways there are.', shape: 'SignInMethods' } },
    problems: queryProblems,
  },
  {
    id: 'signIn',
    method: 'POST',
    path: '/session',
    summary: 'Signs in with name and password, and sets the session’s cookie',
    access: 'open',
    body: body('SignInBody'),
    answers: { 200: session },
    problems: [...bodyProblems, 'unauthorized', 'cross-site', 'too-many-requests'],
  },
  {
    id: 'getSession',
    method: 'GET',
    path: '/session',
    summary: 'Who the credentials belong to, and what they allow',
    access: 'signed-in',
    answers: { 200: session },
    problems: queryProblems,
  },
  {
    id: 'signOut',
    method: 'DELETE',
    path: '/session',
    summary: 'Ends the session, on every server',
    access: 'signed-in',
    answers: { 204: none('There is no session any more.') },
    problems: [...queryProblems, 'cross-site'],
  },
  {
    id: 'changePassword',
    method: 'POST',
    path: '/session/password',
    summary: 'Changes the own password; all own sessions end, this one too',
    access: 'signed-in',
    body: body('PasswordBody'),
    answers: { 204: none('Changed; sign in again.') },
    problems: [...bodyProblems, 'cross-site', 'too-many-requests'],
  },
  {
    id: 'beginOidc',
    method: 'GET',
    path: '/session/oidc',
    summary: 'Sends the browser to the identity provider (authorization code, PKCE)',
    access: 'open',
    query: ['returnTo'],
    answers: { 302: none('To the identity provider.') },
    problems: [...queryProblems, 'not-found'],
  },
  {
    id: 'finishOidc',
    method: 'GET',
    path: '/session/oidc/callback',
    summary: 'Where the identity provider sends the browser back to',
    access: 'open',
    answers: { 302: none('Signed in: to the page that was asked for.') },
    problems: ['unauthorized', 'forbidden', 'not-found'],
  },
];

const people: OperationAnswer = { description: 'One page, by name.', shape: 'PersonPage' };
const person: OperationAnswer = { description: 'The person.', shape: 'Person' };

const userOperations: readonly Operation[] = [
  {
    id: 'listUsers',
    method: 'GET',
    path: '/users',
    summary: 'The people of the tenant',
    access: 'iWD.Users.canRead',
    query: ['limit', 'cursor'],
    answers: { 200: people },
    problems: [...queryProblems, 'invalid-cursor'],
  },
  {
    id: 'addUser',
    method: 'POST',
    path: '/users',
    summary: 'Adds a person; nobody can give a role that allows more than their own',
    access: 'iWD.Users.canUpdate',
    body: body('NewPersonBody'),
    answers: { 201: { ...person, location: true } },
    problems: [...bodyProblems, 'conflict', 'cross-site'],
  },
  {
    id: 'getUser',
    method: 'GET',
    path: '/users/{id}',
    summary: 'One person',
    access: 'iWD.Users.canRead',
    answers: { 200: person },
    problems: [...queryProblems, 'not-found'],
  },
  {
    id: 'putUser',
    method: 'PUT',
    path: '/users/{id}',
    summary: 'Changes a person; new roles, a new password or being disabled end the person’s sessions',
    access: 'iWD.Users.canUpdate',
    body: body('PersonBody'),
    answers: { 200: person },
    problems: [...bodyProblems, 'not-found', 'cross-site'],
  },
  {
    id: 'removeUser',
    method: 'DELETE',
    path: '/users/{id}',
    summary: 'Removes a person; what they did stays in the history under their name',
    access: 'iWD.Users.canUpdate',
    answers: { 204: none('Removed.') },
    problems: [...queryProblems, 'not-found', 'cross-site'],
  },
];

const role: OperationAnswer = { description: 'The role.', shape: 'Role' };

const roleOperations: readonly Operation[] = [
  {
    id: 'listRoles',
    method: 'GET',
    path: '/roles',
    summary: 'The built-in roles and the tenant’s own',
    access: 'iWD.Users.canRead',
    answers: { 200: { description: 'All roles.', shape: 'RoleList' } },
    problems: queryProblems,
  },
  {
    id: 'getRole',
    method: 'GET',
    path: '/roles/{name}',
    summary: 'One role',
    access: 'iWD.Users.canRead',
    answers: { 200: role },
    problems: [...queryProblems, 'not-found'],
  },
  {
    id: 'putRole',
    method: 'PUT',
    path: '/roles/{name}',
    summary: 'Makes or replaces a role of the tenant’s own; the sessions of those who have it end',
    access: 'iWD.Users.canUpdate',
    body: body('RoleBody'),
    answers: { 200: { ...role, description: 'Replaced.' }, 201: { ...role, description: 'Made.' } },
    problems: [...bodyProblems, 'conflict', 'cross-site'],
  },
  {
    id: 'removeRole',
    method: 'DELETE',
    path: '/roles/{name}',
    summary: 'Removes a role of the tenant’s own that nobody has any more',
    access: 'iWD.Users.canUpdate',
    answers: { 204: none('Removed.') },
    problems: [...queryProblems, 'not-found', 'conflict', 'cross-site'],
  },
];

/** Sessions, people and roles: the front answers them from the cluster's registry. */
export const peopleOperations: readonly Operation[] = [...sessionOperations, ...userOperations, ...roleOperations];

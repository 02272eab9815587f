import { json, type Operation, smallBodyProblems } from './operation-form.js';
import type { Access } from './privilege.js';
import type { ProblemCode } from './problem.js';

/** Provisioning of tenants, as the guide has it, and the keys of a tenant and of the cluster. */

const registryProblems: readonly ProblemCode[] = ['conflict', 'not-configured', 'too-many-requests'];

const provision = (id: string, method: 'POST' | 'PUT'): Operation => ({
  id,
  method,
  path: '/provisioning',
  summary: 'Provisions a tenant, or changes what differs: database, services, keys. Safe to repeat',
  access: 'cluster',
  body: { kind: 'raw', content: { [json]: 'Registration' }, required: true },
  answers: { 200: { description: 'All of it is in force.', shape: 'Created' } },
  problems: [
    ...(['invalid-json', 'invalid-value', 'unknown-field', 'missing-field', 'too-large'] as const),
    ...(['unsupported-media-type', 'database-unusable'] as const),
    ...registryProblems,
  ],
});

const keys = (prefix: string, path: string, may: { read: Access; update: Access }): Operation[] => {
  const body = path === '/keys' ? 'KeyBody' : 'ClusterKeyBody';
  return [
    {
      id: `${prefix}keys`,
      method: 'GET',
      path,
      summary: 'API keys, newest first, without themselves',
      access: may.read,
      query: ['limit'],
      answers: { 200: { description: 'The keys, those revoked within 90 days among them.', shape: 'KeyList' } },
      problems: ['invalid-value', 'unknown-field', 'not-configured'],
    },
    {
      id: `${prefix}make-key`,
      method: 'POST',
      path,
      summary: 'Makes an API key; the answer is the only one that shows it',
      access: may.update,
      body: { kind: 'small', content: { [json]: body }, required: true },
      answers: { 201: { description: 'The key, in force.', shape: 'NewKey' } },
      problems: [...smallBodyProblems, 'forbidden', ...registryProblems],
    },
    {
      id: `${prefix}revoke-key`,
      method: 'DELETE',
      path: `${path}/{id}`,
      summary: 'Revokes an API key at once',
      access: may.update,
      answers: { 204: { description: 'It opens nothing any more.' } },
      problems: ['not-found', 'unknown-field', 'not-configured', 'too-many-requests'],
    },
  ];
};

export const registryOperations: readonly Operation[] = [
  provision('provision', 'POST'),
  provision('provision-again', 'PUT'),
  {
    id: 'tenants',
    method: 'GET',
    path: '/provisioning',
    summary: 'The tenants, by ccid, without their secrets',
    access: 'cluster',
    query: ['limit', 'cursor'],
    answers: { 200: { description: 'One page.', shape: 'TenantPage' } },
    problems: ['invalid-value', 'unknown-field', 'not-configured'],
  },
  {
    id: 'deprovision',
    method: 'DELETE',
    path: '/provisioning/{ccid}',
    summary:
      'Removes services of a tenant, or the whole tenant; its database stays. At least one of both must be given',
    access: 'cluster',
    query: ['service', 'deleteTenant'],
    answers: { 200: { description: 'It is out of force.', shape: 'Deleted' } },
    problems: ['invalid-value', 'unknown-field', 'missing-field', 'not-found', ...registryProblems],
  },
  ...keys('', '/keys', { read: 'iWD.Keys.canRead', update: 'iWD.Keys.canUpdate' }),
  ...keys('cluster-', '/provisioning/keys', { read: 'cluster', update: 'cluster' }),
];

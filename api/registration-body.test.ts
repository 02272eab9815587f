import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isRejection } from '../engine/rejection.js';
import { readRegistration } from './registration-body.js';

const body = () => ({
  tenant: { id: '100', name: 't100', ccid: 'acme', apiKey: 'canary-dc' },
  iwd: {
    url: 'http://iwd:4024',
    db: { host: 'Db.Infra', port: 5432, database: 'iwd', user: 'iwd', password: 'canary-pw', ssl: false },
    apiKeys: { IWD_APIKEY_TENANT: 'canary-key-of-tenant' },
  },
  iwdEmail: { url: 'N/A' },
});

const read = (value: unknown, hosts?: string[]) => readRegistration(Buffer.from(JSON.stringify(value)), hosts);

/** Pointers of the faults; none for a body that is fine. */
function pointers(value: unknown, hosts?: string[]): string[] {
  const result = read(value, hosts);
  return isRejection(result) ? (result.faults ?? []).map(({ pointer }) => pointer).sort() : [];
}

const required = [
  ...[
    'tenant/id',
    'tenant/name',
    'tenant/ccid',
    'tenant/apiKey',
    'iwd/url',
    'iwdEmail/url',
    'iwd/db/host',
    'iwd/db/port',
  ],
  ...['iwd/db/database', 'iwd/db/user', 'iwd/db/password', 'iwd/db/ssl', 'iwd/apiKeys/IWD_APIKEY_TENANT'],
].map((path) => `/${path}`);

/** The object that holds the last name of the pointer. */
function holderOf(value: object, pointer: string): [Record<string, unknown>, string] {
  const names = pointer.slice(1).split('/');
  const last = names.pop()!;
  return [names.reduce((node, name) => node[name] as never, value as Record<string, unknown>), last];
}

test('whichever required parameters are missing or ill-typed, exactly those are told, all of them', () => {
  const kinds = fc.constantFrom('fine', 'missing', 'wrong');
  fc.assert(
    fc.property(fc.array(kinds, { minLength: required.length, maxLength: required.length }), (choices) => {
      const value = body();
      const expected = required.filter((pointer, index) => {
        const [holder, name] = holderOf(value, pointer);
        if (choices[index] === 'missing') delete holder[name];
        if (choices[index] === 'wrong') holder[name] = ['canary'];
        return choices[index] !== 'fine';
      });
      assert.deepEqual(pointers(value), expected.sort());
    }),
  );
});

test('no fault repeats a value', () => {
  const value = {
    ...body(),
    iwd: { ...body().iwd, db: { port: 'canary', password: ['canary'], host: 'canary canary' } },
  };
  assert.ok(!JSON.stringify(read(value)).includes('canary'));
});

test('both spellings are read, and two that differ are refused', () => {
  const { apiKey, ...tenant } = body().tenant;
  const other = { ...body(), tenant: { ...tenant, apikey: apiKey } };
  assert.deepEqual(read(other), read(body()));
  assert.deepEqual(pointers({ ...body(), tenant: { ...body().tenant, apikey: 'another' } }), ['/tenant/apiKey']);
  for (const name of ['authRedirectUrl', 'authredircetUrl']) {
    const gws = { gwsUrl: 'http://gws', data: { [name]: 'https://auth' } };
    const result = read({ ...body(), tenant: { ...body().tenant, gws } });
    assert.ok(!isRejection(result) && result.gws?.config.authRedirectUrl === 'https://auth');
  }
});

test('hosts are names, addresses or folders, in small letters, and those that the server allows', () => {
  const at = (host: string) => ({ ...body(), iwd: { ...body().iwd, db: { ...body().iwd.db, host } } });
  const result = read(body());
  assert.ok(!isRejection(result) && result.iwd.db.host === 'db.infra');
  for (const host of ['10.0.0.1', '::1', 'db', '/var/Run/postgresql']) assert.deepEqual(pointers(at(host)), [], host);
  for (const host of ['', 'a b', 'user@host', 'host/path', 'host:5432', '-x', '/a/../b', 'x'.repeat(300)]) {
    assert.deepEqual(pointers(at(host)), ['/iwd/db/host'], host);
  }
  const allowed = ['db.infra', '.svc.local'];
  for (const host of ['DB.infra', 'a.svc.local']) assert.deepEqual(pointers(at(host), allowed), [], host);
  for (const host of ['evil', 'xdb.infra', 'svc.local', 'a.svc.local.evil'])
    assert.deepEqual(pointers(at(host), allowed), ['/iwd/db/host'], host);
});

test('weak and equal keys, unknown fields, bodies that are no object, and quotas below nothing are refused', () => {
  const keys = (apiKeys: object) => ({ ...body(), iwd: { ...body().iwd, apiKeys } });
  assert.deepEqual(pointers(keys({ IWD_APIKEY_TENANT: 'short' })), ['/iwd/apiKeys/IWD_APIKEY_TENANT']);
  const same = 'the-same-key-twice';
  assert.deepEqual(pointers(keys({ IWD_APIKEY_TENANT: same, IWD_APIKEY_IWDDM: same })), [
    '/iwd/apiKeys/IWD_APIKEY_IWDDM',
  ]);
  assert.deepEqual(pointers({ ...body(), extra: 1 }), ['/extra']);
  for (const value of [null, [], 'text', 7]) assert.ok(isRejection(read(value)));
  assert.deepEqual(pointers({ ...body(), iwd: { ...body().iwd, quotas: { openItems: -1 } } }), [
    '/iwd/quotas/openItems',
  ]);
  const text = JSON.stringify(body()).replace('{', '{"__proto__":{"tenant":1},"constructor":2,');
  const result = readRegistration(Buffer.from(text), undefined);
  assert.ok(isRejection(result));
  assert.deepEqual(
    result.faults?.map(({ pointer }) => pointer),
    ['/__proto__', '/constructor'],
  );
});

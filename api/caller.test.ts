import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyIdentity, refusalOf } from './caller.js';
import { isPrivilege, type Privilege, privileges } from './privilege.js';
import { builtInRoles, reportingPrivileges } from './role.js';

const tenantKey = keyIdentity({ tenantId: 'acme', name: 'crm' });
const clusterKey = keyIdentity({ tenantId: '', name: 'operator', scope: 'cluster' });
const reportingKey = keyIdentity({ tenantId: 'acme', name: 'mart', scope: 'datamart' });

test('a tenant key may do everything in its tenant and nothing in the cluster', () => {
  for (const privilege of privileges) assert.equal(refusalOf(tenantKey, privilege), undefined);
  assert.equal(refusalOf(tenantKey, 'cluster')?.code, 'forbidden');
});

test('the cluster key may do nothing in any tenant', () => {
  assert.equal(refusalOf(clusterKey, 'cluster'), undefined);
  for (const privilege of privileges) assert.equal(refusalOf(clusterKey, privilege)?.code, 'forbidden', privilege);
});

test('a data mart key may read and never change', () => {
  for (const privilege of privileges) {
    const refused = refusalOf(reportingKey, privilege) !== undefined;
    assert.equal(refused, !reportingPrivileges.has(privilege), privilege);
    if (/canUpdate|canCreate|canDelete/.test(privilege)) assert.ok(refused, privilege);
  }
});

test('a key with a role has what both its scope and the role allow', () => {
  const role = new Set<Privilege>(['iWD.Workitems.canRead', 'iWD.Workitems.canCreate']);
  assert.deepEqual([...keyIdentity({ tenantId: 'a', name: 'n' }, role).privileges], [...role]);
  const reporting = keyIdentity({ tenantId: 'a', name: 'n', scope: 'datamart' }, role);
  assert.deepEqual([...reporting.privileges], ['iWD.Workitems.canRead']);
  assert.equal(keyIdentity({ tenantId: '', name: 'n', scope: 'cluster' }, role).privileges.size, 0);
});

test('a refusal names the privilege that lacks', () => {
  const refused = refusalOf(reportingKey, 'iWD.Workitems.canCreate')!;
  assert.match(refused.detail, /iWD\.Workitems\.canCreate/);
  assert.deepEqual(refused.facts, { privilege: 'iWD.Workitems.canCreate' });
});

test('only names of the table are privileges', () => {
  for (const name of privileges) assert.ok(isPrivilege(name));
  for (const name of ['', 'toString', '__proto__', 'iWD.Workitems', 'iwd.workitems.canread'])
    assert.ok(!isPrivilege(name));
});

test('each built-in role has all that the role below it has', () => {
  const sizes = ['IWD User', 'IWD Supervisor', 'IWD Business User', 'Administrator'].map((name) => [
    ...builtInRoles.get(name)!.privileges,
  ]);
  for (const [index, list] of sizes.slice(0, -1).entries()) {
    for (const privilege of list) assert.ok(sizes[index + 1]!.includes(privilege), privilege);
    assert.ok(list.length < sizes[index + 1]!.length);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPrivilege, privileges } from './privilege.js';
import { builtInRoles } from './role.js';

/**
 * "Roles and privileges for Workload Manager users" of the other product's administrator's guide: Business User,
 * Supervisor, User. https://all.docs.genesys.com/PEC-IWD/Current/Administrator/IWDRBAC
 */
const guide = `
  iWD.Workitems.canView                 X X X
  iWD.Workitems.canRead                 X X X
  iWD.Workitems.canDelete               X X -
  iWD.Workitems.canUpdate               X X -
  iWD.Workitems.canCreate               X - -
  iWD.Workitems.BulkActions.canExecute  X - -
  iWD.Workitems.Activate.canExecute     X X -
  iWD.Workitems.Search.canExecute       X X X
  iWD.Workitems.Export.canExecute       X - -
  iWD.Workitems.Hold.canExecute         X X -
  iWD.Workitems.Cancel.canExecute       X X -
  iWD.Workitems.Resume.canExecute       X X -
  iWD.Workitems.Restart.canExecute      X X -
  iWD.Dashboard.canView                 X X X
  iWD.Settings.canView                  X X X
  iWD.Categories.canView                X X X
  iWD.Categories.canRead                X X X
  iWD.Categories.canUpdate              X - -
  iWD.Prioritization.canView            X X X
  iWD.Prioritization.canRead            X X X
  iWD.Prioritization.canUpdate          X - -
  iWD.Endpoints.canView                 X X X
  iWD.Endpoints.canRead                 X X X
  iWD.Endpoints.canUpdate               X - -
  iWD.Mailboxes.canView                 X X X
  iWD.Mailboxes.canRead                 X X -
  iWD.Mailboxes.canUpdate               X - -
  iWD.Filters.canView                   X X X
  iWD.Filters.canRead                   X X X
  iWD.Filters.canUpdate                 X X -`;

const columns = ['IWD Business User', 'IWD Supervisor', 'IWD User'];

test('the three roles of the other product allow what its guide says, privilege by privilege', () => {
  const lines = guide.trim().split('\n');
  assert.equal(lines.length, 30);
  for (const line of lines) {
    const [name, ...marks] = line.trim().split(/\s+/) as [string, ...string[]];
    assert.ok(isPrivilege(name), name);
    for (const [index, mark] of marks.entries()) {
      assert.equal(builtInRoles.get(columns[index]!)!.privileges.has(name), mark === 'X', `${columns[index]} ${name}`);
    }
  }
});

test('an administrator may do everything, an agent only work', () => {
  assert.deepEqual([...builtInRoles.get('Administrator')!.privileges], privileges);
  for (const name of builtInRoles.get('Agent')!.privileges) {
    assert.ok(!/canUpdate|canCreate|canDelete|Search|BulkActions|Export/.test(name), name);
  }
});

import { type Privilege, privileges } from './privilege.js';

/** A named set of privileges; people and keys have roles. */
export interface Role {
  readonly name: string;
  readonly privileges: ReadonlySet<Privilege>;
}

const user: readonly Privilege[] = [
  'iWD.Workitems.canView',
  'iWD.Workitems.canRead',
  'iWD.Workitems.Search.canExecute',
  'iWD.Dashboard.canView',
  'iWD.Settings.canView',
  'iWD.Categories.canView',
  'iWD.Categories.canRead',
  'iWD.Prioritization.canView',
  'iWD.Prioritization.canRead',
  'iWD.Endpoints.canView',
  'iWD.Endpoints.canRead',
  'iWD.Mailboxes.canView',
  'iWD.Filters.canView',
  'iWD.Filters.canRead',
  'iWD.Calendars.canView',
  'iWD.Calendars.canRead',
];

const supervisor: readonly Privilege[] = [
  ...user,
  'iWD.Workitems.canDelete',
  'iWD.Workitems.canUpdate',
  'iWD.Workitems.Activate.canExecute',
  'iWD.Workitems.Hold.canExecute',
  'iWD.Workitems.Cancel.canExecute',
  'iWD.Workitems.Resume.canExecute',
  'iWD.Workitems.Restart.canExecute',
  'iWD.Mailboxes.canRead',
  'iWD.Filters.canUpdate',
  'iWD.Workitems.Assign.canExecute',
  'iWD.Workitems.Complete.canExecute',
  'iWD.Workitems.Reject.canExecute',
];

const businessUser: readonly Privilege[] = [
  ...supervisor,
  'iWD.Workitems.canCreate',
  'iWD.Workitems.BulkActions.canExecute',
  'iWD.Workitems.Export.canExecute',
  'iWD.Categories.canUpdate',
  'iWD.Prioritization.canUpdate',
  'iWD.Endpoints.canUpdate',
  'iWD.Mailboxes.canUpdate',
  'iWD.Calendars.canUpdate',
  'iWD.Settings.canRead',
  'iWD.Settings.canUpdate',
  'iWD.WhatIf.canExecute',
];

const agent: readonly Privilege[] = [
  'iWD.Workitems.canRead',
  'iWD.Next.canExecute',
  'iWD.Workitems.Hold.canExecute',
  'iWD.Workitems.Resume.canExecute',
  'iWD.Workitems.Complete.canExecute',
  'iWD.Workitems.Reject.canExecute',
];

/** The roles that every tenant has; nobody can change them. The first three are the other product's, with its defaults. */
export const builtInRoles: ReadonlyMap<string, Role> = new Map(
  Object.entries({
    'IWD User': user,
    'IWD Supervisor': supervisor,
    'IWD Business User': businessUser,
    Agent: agent,
    Administrator: privileges,
  }).map(([name, list]) => [name, Object.freeze({ name, privileges: new Set(list) })]),
);

/** What a data mart or a reporting tool may do with its key: read, never change. */
export const reportingPrivileges: ReadonlySet<Privilege> = new Set<Privilege>([
  'iWD.Workitems.canRead',
  'iWD.Workitems.Search.canExecute',
  'iWD.Workitems.Export.canExecute',
  'iWD.Categories.canRead',
  'iWD.Prioritization.canRead',
  'iWD.Calendars.canRead',
  'iWD.Filters.canRead',
]);

export const allPrivileges: ReadonlySet<Privilege> = new Set(privileges);
export const noPrivileges: ReadonlySet<Privilege> = new Set();

/**
 * What a caller may do. The names up to `iWD.Filters.canUpdate` are those of the product that this engine stands in for
 * ("Roles and privileges for Workload Manager users"), letter by letter, so that an existing role list can be taken
 * over; the rest is ours, in the same form. Read: may ask the server. View: may see the page in the user interface;
 * no route asks for a view privilege, the interface does.
 */
export const privilegeMeanings = {
  'iWD.Workitems.canView': 'See the Universal Queue page.',
  'iWD.Workitems.canRead': 'Read a work item, its history and explanation, and the queue.',
  'iWD.Workitems.canDelete': 'Delete a work item.',
  'iWD.Workitems.canUpdate': 'Change fields, category or priority of a work item.',
  'iWD.Workitems.canCreate': 'Hand in work items, one or many.',
  'iWD.Workitems.BulkActions.canExecute': 'Run an action over many work items.',
  'iWD.Workitems.Activate.canExecute': 'Put a scheduled item into the queue now.',
  'iWD.Workitems.Search.canExecute': 'List, find and count work items.',
  'iWD.Workitems.Export.canExecute': 'Export work items.',
  'iWD.Workitems.Hold.canExecute': 'Put an item on hold.',
  'iWD.Workitems.Cancel.canExecute': 'End an item: no longer wanted.',
  'iWD.Workitems.Resume.canExecute': 'Put a held item back into the queue.',
  'iWD.Workitems.Restart.canExecute': 'Put an item back to the start of its life.',
  'iWD.Dashboard.canView': 'See the dashboards.',
  'iWD.Settings.canView': 'See the configuration pages.',
  'iWD.Categories.canView': 'See the categories page.',
  'iWD.Categories.canRead': 'Read the categories.',
  'iWD.Categories.canUpdate': 'Replace the categories.',
  'iWD.Prioritization.canView': 'See the prioritization page.',
  'iWD.Prioritization.canRead': 'Read the prioritization schemas.',
  'iWD.Prioritization.canUpdate': 'Replace the prioritization schemas.',
  'iWD.Endpoints.canView': 'See the endpoints page.',
  'iWD.Endpoints.canRead': 'Read the endpoints.',
  'iWD.Endpoints.canUpdate': 'Change the endpoints.',
  'iWD.Mailboxes.canView': 'See the mailboxes page.',
  'iWD.Mailboxes.canRead': 'Read the mailboxes.',
  'iWD.Mailboxes.canUpdate': 'Change the mailboxes.',
  'iWD.Filters.canView': 'See the filters page.',
  'iWD.Filters.canRead': 'Read and use saved filters.',
  'iWD.Filters.canUpdate': 'Save, change and delete filters.',
  'iWD.Workitems.Assign.canExecute': 'Give an item to an agent, or take it back.',
  'iWD.Workitems.Complete.canExecute': 'End an item: the work is done.',
  'iWD.Workitems.Reject.canExecute': 'End an item: refused by whoever should do it.',
  'iWD.Next.canExecute': 'Take the best item of this instant.',
  'iWD.Calendars.canView': 'See the calendars page.',
  'iWD.Calendars.canRead': 'Read the business calendars.',
  'iWD.Calendars.canUpdate': 'Replace the business calendars.',
  'iWD.Settings.canRead': 'Export all settings as one file.',
  'iWD.Settings.canUpdate': 'Import all settings from one file.',
  'iWD.WhatIf.canExecute': 'Simulate settings on the live queue.',
  'iWD.Users.canRead': 'Read people and roles.',
  'iWD.Users.canUpdate': 'Add, change and remove people and roles.',
  'iWD.Keys.canRead': 'List API keys, never their secrets.',
  'iWD.Keys.canUpdate': 'Make and revoke API keys.',
  'iWD.Audit.canRead': 'Search the audit log.',
  'iWD.Subjects.canExecute': 'Export and erase what is stored about a person.',
} as const;

export type Privilege = keyof typeof privilegeMeanings;

export const privileges = Object.keys(privilegeMeanings) as readonly Privilege[];

export function isPrivilege(text: string): text is Privilege {
  return Object.hasOwn(privilegeMeanings, text);
}

/**
 * Who may call an operation:
 * - open: everybody, without credentials.
 * - cluster: the cluster key, which belongs to the operator of the server and to no tenant.
 * - signed-in: whoever has any valid credentials.
 * - a privilege: a tenant's key or person that has it.
 */
export type Access = 'open' | 'cluster' | 'signed-in' | Privilege;

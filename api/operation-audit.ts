import { type Operation, type OperationAnswer, read } from './operation-form.js';

const page: OperationAnswer = {
  description: 'One page, newest first; it may be short and still go on.',
  shape: 'AuditPage',
};

/** The audit logs: a tenant's, which follows its journal, and the cluster's. */
export const auditOperations: readonly Operation[] = [
  read(
    'audit',
    'iWD.Audit.canRead',
    '/audit',
    'Who did what to which item or setting of the tenant, and from where',
    page,
    ['by', 'from', 'type', 'itemId', 'since', 'until', 'limit', 'cursor'],
  ),
  read(
    'clusterAudit',
    'cluster',
    '/cluster/audit',
    'Who did what to which tenant, key, person or role, and from where; sign-ins too',
    page,
    ['by', 'from', 'type', 'since', 'until', 'limit', 'cursor'],
  ),
];

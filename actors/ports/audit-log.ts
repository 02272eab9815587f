import type { AuditPage, AuditQuery } from '../../engine/audit-log.js';

/** A log that can be searched. */
export interface AuditLog {
  search(query: AuditQuery): Promise<AuditPage>;
}

import type { AuditLog } from '../../../actors/ports/audit-log.js';
import type { AuditPage, AuditQuery } from '../../../engine/audit-log.js';
import { type AuditRow, auditPage, auditValues, clusterSearch } from '../audit-search.js';
import type { Connection } from '../connection.js';

/** Searches the cluster's audit log; `audit.ts` writes it. */
export class PostgresClusterAuditLog implements AuditLog {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async search(query: AuditQuery): Promise<AuditPage> {
    const { rows } = await this.#connection.run((client) => client.query<AuditRow>(clusterSearch, auditValues(query)));
    return auditPage(rows, query.limit);
  }
}

import { type AuditQuery, auditPageJson, readAuditCursor } from '../engine/audit-log.js';
import { pageItemsDefault } from '../engine/limits.js';
import { isRejection, type Rejection, reject } from '../engine/rejection.js';
import type { Front } from './front.js';
import type { Handler, Handlers } from './handler.js';
import { auditOperations } from './operation-audit.js';
import { sendProblem } from './problem.js';
import { type Query, readQuery } from './query.js';
import { jsonMediaType } from './route.js';

/** The cluster's audit log belongs to no tenant, so no actor answers for it. */
export const auditHandlers: Handlers = { clusterAudit };

const names = auditOperations.find(({ id }) => id === 'clusterAudit')?.query ?? [];

function clusterAudit({ clusterAudit: log, logger }: Front): Handler {
  return async (request, reply) => {
    const query = readQuery(request.query, names);
    if (isRejection(query)) return sendProblem(reply, query);
    const wanted = auditQuery(query as Query);
    if (isRejection(wanted)) return sendProblem(reply, wanted);
    if (log === undefined) return sendProblem(reply, unavailable);
    try {
      return reply.type(jsonMediaType).send(auditPageJson(await log.search(wanted)));
    } catch (error) {
      logger?.error(error, 'searching the cluster’s audit log failed');
      return sendProblem(reply, unavailable);
    }
  };
}

function auditQuery({ by, from, type, since, until, limit = pageItemsDefault, cursor }: Query): AuditQuery | Rejection {
  const before = readAuditCursor(cursor);
  return isRejection(before) ? before : { by, from, type, since, until, limit, before };
}

const unavailable = reject('unavailable', 'the registry does not answer', { retryAfterSeconds: 1 });

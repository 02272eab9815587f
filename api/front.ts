import type { FastifyBaseLogger } from 'fastify';
import type { AuditLog } from '../actors/ports/audit-log.js';
import type { Registry } from '../actors/ports/tenant-directory.js';
import type { Engine, Simulations } from '../actors/request.js';
import type { Tenants } from './api-keys.js';
import type { Caller } from './caller.js';
import type { Gate } from './gate.js';
import type { HttpMetrics } from './http-metrics.js';
import type { Operation } from './operation.js';
import type { People } from './people.js';
import type { TenantLimits } from './rate-limit.js';
import type { ApiSettings } from './settings.js';
import type { YamlPool } from './yaml-pool.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler runs, but for open operations. */
    caller: Caller | null;
    /** As answered or as cut short, whichever came first. */
    isCounted: boolean;
  }
  interface FastifyInstance {
    /**
     * Refuses new work (503 `draining`, `Connection: close`) and turns `/readyz` to 503; resolves when nothing is in
     * flight. Listening goes on: `close()` comes after. The caller bounds how long it waits.
     */
    drain(): Promise<void>;
  }
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

/** The part of a pino logger that the front uses. */
export type Log = Pick<FastifyBaseLogger, 'debug' | 'warn' | 'error'>;

/** What the hooks of one server share. */
export interface Front {
  engine: Engine;
  /** Undefined where there is no registry. */
  clusterAudit?: AuditLog;
  tenants: Tenants;
  /** Absent on a server that only knows keys. */
  people?: People | undefined;
  settings: ApiSettings;
  gate: Gate;
  /** Absent where no tenant has any. */
  limits?: TenantLimits;
  metrics: HttpMetrics;
  yaml: YamlPool;
  /** Absent where nothing can be simulated. */
  simulations?: Simulations;
  /** Absent where nothing can be provisioned. */
  registry?: Registry;
  logger?: Log;
}

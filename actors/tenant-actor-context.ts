import type { StateOptions } from '../engine/state.js';
import type { ActorOptions } from './options.js';
import type { Owner, Runtime, TenantQuotas, TenantStores } from './ports.js';
import type { ShardMetrics } from './tenant-metrics.js';

/**
 * Serving: commands are decided. Recovering, retiring, passive: they wait in the mailbox. Halted and stopped: they are
 * refused. A passive tenant has no memory, no connection and no lease.
 */
export type Mode = 'stopped' | 'recovering' | 'serving' | 'retiring' | 'passive' | 'halted';

/** What a tenant's actor begins with. */
export interface TenantActorContext {
  tenantId: string;
  openStores: () => Promise<TenantStores>;
  runtime: Runtime;
  options: ActorOptions;
  stateOptions: StateOptions;
  owner: () => Owner;
  isGone: (pod: string) => boolean;
  metrics: ShardMetrics;
  log: (level: 'info' | 'warn' | 'error', message: string, error?: unknown) => void;
  /** Somebody asks while the tenant is passive: whoever owns the actor should start it. */
  onWanted?: () => void;
  quotas?: TenantQuotas;
}

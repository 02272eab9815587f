import { bulkBytesMax, bulkItemsMax, itemBytesMax } from '../engine/limits.js';

/** What operations may change of the HTTP front; `bin/settings.ts` maps environment variables to these. */
export interface ApiSettings {
  /** Bytes of one single-item body. */
  itemBytesMax: number;
  bulkItemsMax: number;
  bulkBytesMax: number;
  /** Bulk requests at once: each may hold four slices of 256 KB and its results. */
  bulkInFlightMax: number;
  /** Requests at once; beyond it 503 with Retry-After. */
  inFlightMax: number;
  connectionsMax: number;
  /** From the first byte of a request to its last: 408. Wide enough for 32 MB of bulk at 10 Mbit/s. */
  requestTimeoutMs: number;
  headersTimeoutMs: number;
  keepAliveTimeoutMs: number;
  /** How often Node looks for connections that are over their time. */
  connectionsCheckMs: number;
  headerBytesMax: number;
  /**
   * Event-loop delay (p99 over the last second) above which new work is refused. One long pause in a second does not
   * reach it, a loop that is late again and again does.
   */
  loopDelayMsMax: number;
  /** A request that took longer is logged as a warning. */
  slowMs: number;
  /** Bearer token that `/metrics` asks for; without one it is open. */
  metricsToken?: string;
  /** Addresses whose `X-Forwarded-For` is believed, as a comma-separated list of CIDR blocks. */
  trustedProxies?: string;
  /** Hosts that tenants' databases may have: exact names, or endings that begin with a dot. Absent: any. */
  databaseHosts?: readonly string[];
}

export const apiDefaults: ApiSettings = {
  itemBytesMax,
  bulkItemsMax,
  bulkBytesMax,
  bulkInFlightMax: 32,
  inFlightMax: 2000,
  connectionsMax: 10_000,
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 72_000,
  connectionsCheckMs: 1000,
  headerBytesMax: 16 * 1024,
  loopDelayMsMax: 250,
  slowMs: 1000,
};

/** Bytes of one small command body (hold, assign, next, ...). */
export const commandBytesMax = 16 * 1024;
/** Bytes of one settings document: 5,000 categories with a rule of common length. */
export const settingsBytesMax = 8 * 1024 * 1024;

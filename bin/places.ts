/** How a shard spends its share of the process's Postgres sessions. */
export interface Places {
  /** Tenants that may be active at the same time: each has a session for commits and one for the follower. */
  active: number;
  /** Sessions for the reads of all tenants on one server. */
  reads: number;
}

/** A quarter for reads, at least two; the rest for active tenants, at least one. */
export function placesOf(connectionsMax: number, shards: number): Places {
  const share = Math.max(4, Math.floor(connectionsMax / shards));
  const reads = Math.max(2, Math.floor(share / 4));
  return { reads, active: Math.max(1, Math.floor((share - reads) / 2)) };
}

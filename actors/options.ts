/** What a shard's actors are told when they start; durations in milliseconds, sizes in bytes. */
export interface ActorOptions {
  attributesBytesMax: number;
  /** Commands that wait in one tenant's mailbox. */
  mailboxCountMax: number;
  mailboxBytesMax: number;
  /** Events of one journal row. */
  batchEventsMax: number;
  /** Projected documents kept in memory for quick reading, per tenant. */
  documentBytesMax: number;
  /** Documents that wait for the follower; above, ingest waits. */
  unprojectedBytesMax: number;
  leaseTtlMs: number;
  /** How long a command may wait for its answer inside the actor. */
  requestTimeoutMs: number;
  /** How long commands are held while a tenant recovers, before they are told to come again. */
  holdMs: number;
  snapshotIntervalMs: number;
  /** Estimated wait in the mailbox above which a command is refused; a bulk slice above `bulkPatience` times that. */
  waitMsMax: number;
}

/** Bulk slices are long themselves, and their senders are held back while some are on their way. */
export const bulkPatience = 4;

export const defaultOptions: ActorOptions = {
  attributesBytesMax: 64 * 1024,
  mailboxCountMax: 5000,
  mailboxBytesMax: 64 * 1024 * 1024,
  batchEventsMax: 512,
  documentBytesMax: 64 * 1024 * 1024,
  unprojectedBytesMax: 256 * 1024 * 1024,
  leaseTtlMs: 3000,
  requestTimeoutMs: 15_000,
  // Postgres restarts within it, its crash recovery included.
  holdMs: 5000,
  snapshotIntervalMs: 60_000,
  waitMsMax: 500,
};

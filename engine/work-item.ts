/** The states of a work item's life; `life-cycle.ts` says which command leads from which to which. */
export const statuses = [
  'new',
  'captured',
  'scheduled',
  'queued',
  'assigned',
  'held',
  'errorheld',
  'completed',
  'canceled',
  'rejected',
  'expired',
] as const;

export type Status = (typeof statuses)[number];

/** Times inside the engine are whole milliseconds since 1970-01-01T00:00Z; ISO 8601 text exists at the edge only. */
export type Instant = number;

/** A priority that somebody has set: it stands in for the item's curve until its time is over. */
export interface Override {
  /** Points. */
  readonly priority: number;
  /** First instant at which the curve counts again; absent: until somebody takes the override away. */
  readonly until?: Instant;
  readonly reason?: string;
}

/** Short texts that a source may give and that the engine keeps but does not interpret (the field's classic names). */
export const plainTexts = [
  'interactionId',
  'solutionId',
  'channel',
  'mediaType',
  'customerId',
  'productType',
  'productSubtype',
  'requestedSkill',
  'requestedAgent',
  'requestedAgentGroup',
  'requestedPlaceGroup',
  'businessCalendarId',
  'queue',
  'queueTarget',
  'queueType',
  'sourceProcessType',
  'sourceProcessSubtype',
  'sourceTenant',
] as const;

export type PlainText = (typeof plainTexts)[number];

/** What a source says of an item: the input of create, and the result of a patch. Absent means not given. */
export interface Draft extends Partial<Record<PlainText, string>> {
  captureId?: string;
  /** A category path: the source has classified the item itself, no rule runs. */
  category?: string;
  businessValue?: number;
  customerSegment?: string;
  departmentId?: string;
  processId?: string;
  createdDateTime?: Instant;
  activationDateTime?: Instant;
  dueDateTime?: Instant;
  expirationDateTime?: Instant;
  sourceCreatedDateTime?: Instant;
  sourceDueDateTime?: Instant;
  sourceFirstCreatedDateTime?: Instant;
  /** Both order a source's messages; an upsert with an older one is ignored. */
  sourceVersion?: number;
  sourceUpdatedDateTime?: Instant;
  /** JSON text of the free attributes object. */
  attributes: string;
  /** 64-bit hash, 16 hex digits, of everything the source said, whatever the order of keys (`content.ts`). */
  fingerprint: string;
}

/**
 * One work item as it is after its last event: immutable, replaced by `apply`. The document cache holds those that are
 * not yet projected or were used lately; the `work_item` table holds all.
 */
export interface WorkItem extends Draft {
  readonly id: string;
  /** Journal number of the item's `created` event: the last tie-breaker of the order, and total. */
  readonly seq: number;
  /** 1 after create, +1 with every event on the item; the ETag. */
  readonly version: number;
  readonly status: Status;
  readonly createdDateTime: Instant;
  /** True when `category` came from the source, so that rules are not asked again. */
  readonly preclassified?: boolean;
  /** Id of the category whose rule hit. */
  readonly rule?: string;
  /** Why the item is errorheld. */
  readonly error?: string;
  /** Stands in for the priority of the item's curve; may be over. */
  readonly override?: Override;
  readonly assignedTo?: string;
  readonly assignedDateTime?: Instant;
  readonly heldDateTime?: Instant;
  /** For how long its clock was stopped by holds that are over, in milliseconds of its category's clock. */
  readonly stoppedMs?: number;
  /** True when the due time is the category's, of a kind that moves with holds. */
  readonly dueByCategory?: boolean;
  /** When it reached its end: completed, canceled, rejected or expired. */
  readonly completedDateTime?: Instant;
  readonly updatedDateTime: Instant;
  readonly resultCode?: string;
  readonly reason?: string;
}

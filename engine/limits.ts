/**
 * Every bound of the domain in one place. A bound that operations may want to change is a setting (`bin/settings.ts`)
 * whose default is named here; the others are part of the contract and change with a release.
 */

/** Bytes of the JSON text of one item's `attributes`. */
export const attributesBytesMax = 64 * 1024;
/** Nesting of any JSON that a client sends: V8 overflows its stack at about 10,000, jsonb is slow long before. */
export const jsonDepthMax = 32;
/** Characters of a short text attribute (captureId, department, segment, ...). */
export const textLengthMax = 256;
/** Characters of a reason or a result code given with a command. */
export const reasonLengthMax = 1024;
/** Bytes of one item's JSON beside its attributes. */
export const itemFieldsBytesMax = 32 * 1024;
/** Bytes of one single-item request body. */
export const itemBytesMax = attributesBytesMax + itemFieldsBytesMax;
/** Items of one bulk request. */
export const bulkItemsMax = 10_000;
/** Bytes of one bulk request body. */
export const bulkBytesMax = 32 * 1024 * 1024;
/** Items of one page of a list. */
export const pageItemsMax = 1000;
export const pageItemsDefault = 50;
/** Groups (and, or, not) inside one another in a filter. */
export const filterDepthMax = 8;
/** Conditions of one filter, those of saved filters that it names included. */
export const filterConditionsMax = 100;
/** Values of one `in`. */
export const filterValuesMax = 1000;
/** Characters of a text in a filter. */
export const filterTextLengthMax = 1024;
/** Keys of one `attributes.` path. */
export const filterPathMax = 16;
/** Filters that a tenant saves, those that one caller saved, and bytes of one with its order. */
export const savedFiltersMax = 2000;
export const savedFiltersOwnedMax = 200;
export const savedFilterBytesMax = 16 * 1024;
/** Columns of one export. */
export const exportColumnsMax = 200;
/** Fields that one order of a query names. */
export const sortFieldsMax = 4;
/** Characters of a client's Idempotency-Key. */
export const idempotencyKeyLengthMax = 255;
/** How long an Idempotency-Key is remembered. */
export const idempotencyKeptMs = 30 * 24 * 3600 * 1000;

/** Years that a time may lie in: Postgres and JavaScript agree inside them. */
export const yearMin = 1970;
export const yearMax = 2200;
/** How far a source's clock may run ahead before its `createdDateTime` counts as lying in the future. */
export const clockSkewMs = 1000;

/** A score is an integer number of millionths of a point, so that equal values are exactly equal. */
export const scoreUnits = 1_000_000;
/** Largest magnitude, in points, of a curve's priority, a weighted business value or a segment weight. */
export const scoreMax = 1_000_000_000;

/** Largest priority, in points, that somebody may set by hand. */
export const overrideMax = scoreMax;

/** Ids that a bulk action may name, and items that its filter may match. */
export const bulkActionIdsMax = 10_000;
export const bulkActionItemsMax = 100_000;
/** Bytes of a bulk action's body: the ids and a filter. */
export const bulkActionBytesMax = 1024 * 1024;
/** Bulk actions of a tenant that are not finished; one runs, the others wait. */
export const bulkActionsRunningMax = 20;
/** How long a finished bulk action can be asked for. */
export const bulkActionKeptMs = 30 * 24 * 3600 * 1000;

export const schemasMax = 256;
export const curvePointsMax = 64;
export const segmentWeightsMax = 1000;
export const categoriesMax = 5000;
export const categoryDepthMax = 8;
/** Paths of personal data, and keys of persons, that one category names. */
export const personalPathsMax = 100;
export const ruleLengthMax = 2048;
export const calendarsMax = 64;
/** Opening hours of one calendar's week: seven days with six spells each. */
export const weeklyHoursMax = 42;
export const holidaysMax = 2000;
/** A settings document full of faults gets no more than these back. */
export const faultsMax = 100;

/** Longest turn of a shard's loop that one tenant's sliced work may take. */
export const sliceMsMax = 5;

/** Entries of each list in the answer of a what-if. */
export const whatIfTopDefault = 20;
export const whatIfTopMax = 100;
/** How far ahead a what-if looks for misses of the SLA, and the farthest instant that it may be about. */
export const whatIfWindowMsDefault = 24 * 3600 * 1000;
export const whatIfAheadMsMax = 31 * 24 * 3600 * 1000;
/** Items done in an hour that a what-if may assume. */
export const whatIfRatePerHourMax = 10_000_000;
/** Hours of the journal that a what-if may replay. */
export const whatIfJournalHoursMax = 31 * 24;

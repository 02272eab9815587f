import { backendsTerminated } from './backends-terminated.js';
import { beyondCapacity } from './beyond-capacity.js';
import { diskFull } from './disk-full.js';
import { everyPodKilled } from './every-pod-killed.js';
import { hostileInput } from './hostile-input.js';
import { killedAtAPoint } from './killed-at-a-point.js';
import { noisyTenant } from './noisy-tenant.js';
import { oversizedRequest } from './oversized-request.js';
import { postmasterKilled } from './postmaster-killed.js';
import { readOnlyStandby } from './read-only-standby.js';
import { redisGone } from './redis-gone.js';
import { replicationWaitCanceled } from './replication-wait-canceled.js';
import { responsesDropped } from './responses-dropped.js';
import { sameKeyAtOnce } from './same-key-at-once.js';
import type { Scenario } from './scenario.js';
import { shardThreadBroken } from './shard-thread-broken.js';
import { slowDatabase } from './slow-database.js';
import { slowSenders } from './slow-senders.js';
import { snapshotMutated } from './snapshot-mutated.js';
import { stoppedWithoutDatabase } from './stopped-without-database.js';
import { tableLocked } from './table-locked.js';
import { tenantBlackHoled } from './tenant-black-holed.js';
import { wallClockJumps } from './wall-clock-jumps.js';

/** Every scenario that one pod can show, in the order of `RELIABILITY.md` 8. */
export const scenarios: readonly Scenario[] = [
  killedAtAPoint,
  everyPodKilled,
  shardThreadBroken,
  stoppedWithoutDatabase,
  postmasterKilled,
  backendsTerminated,
  responsesDropped,
  replicationWaitCanceled,
  diskFull,
  tableLocked,
  slowDatabase,
  tenantBlackHoled,
  readOnlyStandby,
  redisGone,
  snapshotMutated,
  wallClockJumps,
  sameKeyAtOnce,
  beyondCapacity,
  noisyTenant,
  slowSenders,
  oversizedRequest,
  hostileInput,
];

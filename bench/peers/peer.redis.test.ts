import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedisServer } from '../../stores/conformance/redis-server.js';
import { missing } from '../../stores/conformance/test-database.js';
import { runBeside } from '../queue.js';
import { openBullmq } from './bullmq.js';
import { checkPeer } from './conformance.js';

const skip = missing('TEST_REDIS_URL');

test('BullMQ behind our front gives the best job first and completes it', { skip }, async () => {
  const server = await startRedisServer();
  try {
    await checkPeer(openBullmq, server.url);
  } finally {
    await server.stop();
  }
});

test('every structure beside the Universal Queue is timed, and only who can re-key one is asked to', {
  skip,
}, async () => {
  const rows = await runBeside({ sizes: [200], probes: 20, redisItemsMax: 200, bullmqItemsMax: 200 });
  const who = (operation: string) =>
    rows.filter((row) => row.operation === operation).map(({ structure }) => structure);
  assert.equal(who('re-order all').length, 8);
  assert.deepEqual(who('re-key one by id'), [
    'Universal Queue',
    '@datastructures-js/priority-queue',
    'sorted-btree',
    'Redis sorted set',
    'BullMQ changePriority',
  ]);
  assert.ok(rows.every(({ p50Ms, p99Ms }) => p50Ms >= 0 && p99Ms >= p50Ms));
});

import { test } from 'node:test';
import { missing, testDatabase } from '../../stores/conformance/test-database.js';
import { checkPeer } from './conformance.js';
import { openGraphileWorker } from './graphile-worker.js';
import { openPgBoss } from './pg-boss.js';

const skip = missing('TEST_DATABASE_URL');
const database = testDatabase();

test('pg-boss behind our front gives the best job first and completes it', { skip }, () =>
  checkPeer(openPgBoss, database.url),
);

test('graphile-worker behind our front gives the best job first and completes it', { skip }, () =>
  checkPeer(openGraphileWorker, database.url),
);

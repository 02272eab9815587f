import { describe } from 'node:test';
import { bulkActionConformance } from '../conformance/bulk-action.js';
import { leaseAndJournalConformance } from '../conformance/lease-and-journal.js';
import { personalConformance } from '../conformance/personal.js';
import { projectionConformance } from '../conformance/projection.js';
import { MemoryDatabase } from './database.js';
import { openMemoryStores } from './tenant-database.js';

async function fresh() {
  const database = new MemoryDatabase();
  return { stores: openMemoryStores(database), open: async () => openMemoryStores(database) };
}

describe('memory: lease and journal', () => leaseAndJournalConformance(fresh));
describe('memory: projection', () => projectionConformance(fresh));
describe('memory: bulk actions', () => bulkActionConformance(fresh));
describe('memory: personal data', () => personalConformance(fresh));

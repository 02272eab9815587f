import { snapshotConformance } from '../conformance/snapshot.js';
import { MemorySnapshotStore } from './snapshot-store.js';

const store = new MemorySnapshotStore();
snapshotConformance(async () => store);

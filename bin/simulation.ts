import type { Reply } from '../actors/request.js';
import { simulate } from '../actors/simulation.js';
import type { SimulationMessage } from '../actors/simulator.js';
import { defaultCategories, defaultSchemas } from '../engine/default-settings.js';
import { openTenantReader } from '../stores/postgres/tenant-reader.js';

/** Bytes of documents that the simulated state keeps at hand while it classifies. */
const documentBytesMax = 64 * 1024 * 1024;

/** The task of a simulation's thread. */
export default async function simulation(message: SimulationMessage): Promise<Reply> {
  const { tenantId, databaseUrl, attributesBytesMax, port, ...task } = message;
  const source = openTenantReader(databaseUrl, tenantId);
  const stateOptions = {
    tenantId,
    attributesBytesMax,
    documentBytesMax,
    categories: defaultCategories,
    schemas: defaultSchemas,
  };
  try {
    return await simulate({ ...task, port, stateOptions, onProgress: () => {} }, source);
  } finally {
    port.close();
    await source.close();
  }
}

import type { Journal, ProjectionStore } from './ports.js';

/** The tenant's tables, for reading. */
export interface SimulationSource {
  journal: Pick<Journal, 'read'>;
  projection: Pick<ProjectionStore, 'load' | 'settings' | 'standingAt'>;
}

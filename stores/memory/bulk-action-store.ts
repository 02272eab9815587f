import type { BulkAction, BulkActionStore, BulkProgress } from '../../actors/ports/bulk-action-store.js';
import type { Lease } from '../../actors/ports.js';
import type { Instant } from '../../engine/work-item.js';
import type { MemoryDatabase } from './database.js';

/** The tenant's bulk actions in memory. Everything goes in and out as a copy, as it would through a database. */
export class MemoryBulkActionStore implements BulkActionStore {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async start(lease: Lease, action: BulkAction, ids: readonly string[]): Promise<BulkAction | undefined> {
    const { lease: held, bulkActions } = this.#database;
    const earlier = this.#all().find(({ id, key }) => id === action.id || (key !== undefined && key === action.key));
    if (earlier !== undefined) return earlier;
    if (held.epoch !== lease.epoch || held.ownerToken !== lease.ownerToken) return undefined;
    held.heartbeat++;
    bulkActions.set(action.id, { action: structuredClone(action), ids: [...ids] });
    return structuredClone(action);
  }

  async find(id: string): Promise<BulkAction | undefined> {
    return structuredClone(this.#database.bulkActions.get(id)?.action);
  }

  async findByKey(key: string): Promise<BulkAction | undefined> {
    return this.#all().find((action) => action.key === key);
  }

  async list(limit: number, beforeId?: string): Promise<BulkAction[]> {
    const older = this.#all().filter(({ id }) => beforeId === undefined || id < beforeId);
    return older.reverse().slice(0, limit);
  }

  async running(): Promise<BulkAction[]> {
    return this.#all().filter(({ state }) => state === 'running');
  }

  async ids(id: string): Promise<string[]> {
    return [...(this.#database.bulkActions.get(id)?.ids ?? [])];
  }

  async advance({ id, state, next, done, failed, failures, finishedAt }: BulkProgress): Promise<void> {
    const stored = this.#database.bulkActions.get(id);
    if (stored === undefined) return;
    const { action } = stored;
    const ends = action.state === 'running' && state !== 'running' && action.next === next;
    if (action.next >= next && !ends) return;
    const progress = structuredClone({ next, done, failed, failures });
    const end = action.finishedAt ?? finishedAt;
    const now = action.state === 'running' ? state : action.state;
    stored.action = { ...action, ...progress, state: now, ...(end !== undefined && { finishedAt: end }) };
    if (state !== 'running') stored.ids = [];
  }

  async cancel(id: string, at: Instant): Promise<BulkAction | undefined> {
    const stored = this.#database.bulkActions.get(id);
    if (stored?.action.state === 'running') {
      stored.action = { ...stored.action, state: 'cancelled', finishedAt: at };
      stored.ids = [];
    }
    return structuredClone(stored?.action);
  }

  async telling(texts: readonly string[], ids: readonly string[], limit: number, afterId = ''): Promise<BulkAction[]> {
    const tells = ({ arguments: given, filter }: BulkAction) => {
      const said = JSON.stringify([given, filter]);
      return texts.some((text) => said.includes(JSON.stringify(text).slice(1, -1)));
    };
    return this.#all()
      .filter((action) => action.id > afterId && (ids.includes(action.id) || tells(action)))
      .slice(0, limit);
  }

  async erase({ id, arguments: given, filter, fingerprint }: BulkAction): Promise<void> {
    const stored = this.#database.bulkActions.get(id);
    if (stored === undefined) return;
    const { key: _key, filter: _filter, ...rest } = stored.action;
    stored.action = structuredClone({
      ...rest,
      arguments: given,
      ...(filter !== undefined && { filter }),
      fingerprint,
    });
  }

  async forget(before: Instant, limit: number): Promise<void> {
    const old = this.#all().filter(({ finishedAt }) => finishedAt !== undefined && finishedAt < before);
    for (const { id } of old.slice(0, limit)) this.#database.bulkActions.delete(id);
  }

  /** Oldest first. */
  #all(): BulkAction[] {
    const actions = [...this.#database.bulkActions.values()].map(({ action }) => structuredClone(action));
    return actions.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

import type { AuditQuery } from '../engine/audit-log.js';
import type { BulkArguments } from '../engine/bulk-action.js';
import type { ItemCommandName, NoteContent } from '../engine/command.js';
import type { ExportFormat } from '../engine/export-columns.js';
import type { Personal } from '../engine/personal.js';
import type { Telling } from '../engine/personal-text.js';
import type { Rejection } from '../engine/rejection.js';
import type { SettingsKind } from '../engine/settings.js';
import type { Instant } from '../engine/work-item.js';

/**
 * What the front asks of a tenant's actor, and what it gets back. Both cross a thread, so they are plain data. Bodies
 * travel as the bytes that the client sent: the shard parses and checks them, the main thread only moves them.
 */
export type Request = (
  | { op: 'create'; body: Uint8Array; mode: 'create' | 'upsert'; dryRun?: boolean }
  | {
      op: 'createMany';
      body: Uint8Array;
      /** `array`: the body is one JSON array; `ndjson`: one JSON object a line. */
      format: 'array' | 'ndjson';
      /** Line number of the first item in the client's whole request. */
      firstLine: number;
      mode: 'create' | 'upsert';
      /** Each line for itself: what those before it would change is not there. */
      dryRun?: boolean;
    }
  | { op: 'update'; id: string; body: Uint8Array; ifMatch?: number; dryRun?: boolean }
  | {
      op: 'command';
      name: ItemCommandName;
      id: string;
      ifMatch?: number;
      reason?: string;
      resultCode?: string;
      agentId?: string;
      priority?: number | null;
      /** ISO 8601. */
      until?: string;
      category?: string;
    }
  /** The same command for many items, of the engine's own accord; the n-th has the key `<idempotencyKey>#<firstLine + n>`. */
  | ({
      op: 'commandMany';
      name: ItemCommandName;
      ids: string[];
      firstLine: number;
      ifMatches?: number[];
    } & BulkArguments)
  /** `allowed`: the actions that the caller may do to one item. `actionId` is the actor's to write. */
  | { op: 'startBulkAction'; body: Uint8Array; dryRun?: boolean; allowed: string[]; actionId?: string }
  | { op: 'getBulkAction' | 'cancelBulkAction'; id: string }
  | { op: 'listBulkActions'; limit: number; cursor?: string }
  | { op: 'next'; agentId: string }
  | { op: 'get'; id: string }
  | { op: 'list'; captureId?: string; statuses?: string[]; category?: string; limit: number; cursor?: string }
  | { op: 'search'; body: Uint8Array }
  /** One page of an export: items after `after`, relative times as of `at`. */
  | {
      op: 'export';
      body: Uint8Array;
      format: ExportFormat;
      saved?: string;
      after?: number;
      at?: Instant;
      total?: boolean;
    }
  | { op: 'history'; id: string; limit: number; cursor?: string }
  | { op: 'explain'; id: string }
  | { op: 'queue'; limit: number }
  | ({ op: 'audit'; cursor?: string } & Omit<AuditQuery, 'by' | 'from' | 'before'> & { who?: string; where?: string })
  | { op: 'eraseSubject'; subject: string }
  | { op: 'exportSubject'; subject: string; limit: number; cursor?: string }
  /** The engine's own, for the two above. */
  | { op: 'eraseItems'; ids: readonly string[]; personal: Personal }
  | { op: 'eraseFilters'; filterIds: readonly string[]; telling: Telling }
  | { op: 'note'; note: NoteContent }
  | { op: 'getSettings'; kind: SettingsKind; version?: number }
  | { op: 'settingsVersions'; kind: SettingsKind; limit: number; cursor?: string }
  | { op: 'exportSettings' }
  /** All kinds of the body are checked together, and published in one commit. */
  | { op: 'importSettings'; body: Uint8Array; dryRun?: boolean }
  | { op: 'getFilters' }
  | { op: 'getFilter'; filterId: string }
  | { op: 'putFilter'; filterId: string; body: Uint8Array; ifMatch?: number }
  | { op: 'deleteFilter'; filterId: string; ifMatch?: number }
  | { op: 'putSettings'; kind: SettingsKind; body: Uint8Array; ifMatch?: number }
) & {
  /** Name of the caller's API key, kept in the history. */
  by?: string;
  /** The client's address, kept in the history. */
  from?: string;
  idempotencyKey?: string;
};

export interface Answer {
  rejected?: undefined;
  /** 201 created, 200 done (or found, or done before), 202 begun, 204 nothing there. */
  status: 200 | 201 | 202 | 204;
  /** JSON text of the body; absent with 204. createMany: the result objects, comma-separated, without the brackets. */
  json?: string;
  /** The item's version, or the settings document's: the ETag. */
  version?: number;
  /** Id of the item that was created or found. */
  id?: string;
  /** Below the base path: where to ask about what was begun. */
  location?: string;
  /** True when this repeats the answer of an earlier request with the same key. */
  replayed?: boolean;
  /** True when an upsert was older than what is known: nothing was changed. */
  ignored?: boolean;
  /** createMany only. */
  accepted?: number;
  refused?: number;
  /** export only: the moment that relative times count from, where the next page begins, and how many match in all. */
  at?: Instant;
  next?: number;
  total?: number;
}

export type Reply = Answer | Rejection;

/** Questions about settings that nobody has published, simulated on threads of their own (`simulator.ts`). */
export interface Simulations {
  /** `signal` ends it: nobody waits for the answer any more. Never throws. */
  whatIf(tenantId: string, body: Uint8Array, signal: AbortSignal): Promise<Reply>;
}

/** The front's way to the actors (`client.ts`). Never throws: trouble comes back as a rejection. */
export interface Engine {
  request(tenantId: string, request: Request): Promise<Reply>;
  /** Prometheus metrics of every shard, one JSON registry dump a shard (prom-client's `getMetricsAsJSON`). */
  metrics(): Promise<object[][]>;
  /** Whether every tenant has an owner that answers. */
  ready(): Promise<{ ready: boolean; tenants: Record<string, string> }>;
}

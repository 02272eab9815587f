import type { MessagePort } from 'node:worker_threads';
import { Packr } from 'msgpackr';
import type { TenantConfig } from './ports.js';
import type { Reply, Request } from './request.js';

/** One request among those that a turn of the front sends to a shard. */
export interface RequestMessage {
  id: number;
  tenantId: string;
  request: Request;
}

export interface ReplyMessage {
  id: number;
  reply: Reply;
}

/** What a shard's thread is started with. */
export interface ShardTask {
  port: MessagePort;
  shard: number;
  tenants: readonly TenantConfig[];
}

/** Questions to the shard itself; each is answered. */
export type Question =
  | { kind: 'metrics' | 'ready' }
  | { kind: 'drain'; timeoutMs: number }
  | { kind: 'remove'; tenantId: string; timeoutMs: number };

/** What the front sends: batches of requests as packed bytes, the rest as plain objects. */
export type ToShard =
  | Uint8Array
  | { kind: 'put'; tenant: TenantConfig }
  /** Whoever holds the port's other end may ask for a copy of the tenant's state (`state-sender.ts`). */
  | { kind: 'copy'; tenantId: string; port: MessagePort }
  | (Question & { id: number });

/** What a shard sends back; `log` lines go to the process's one log. */
export type FromShard =
  | Uint8Array
  | { kind: 'answer'; id: number; value: unknown }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; tenantId: string; message: string; error?: string };

const packr = new Packr({ copyBuffers: false });

/**
 * One packed message in a buffer of its own, so that it can be transferred: the packer's is a pool. Each message
 * defines the records that it uses, so that both sides share no state.
 */
export function pack(messages: readonly RequestMessage[] | readonly ReplyMessage[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(messages));
}

export function unpackRequests(bytes: Uint8Array): RequestMessage[] {
  return packr.unpack(bytes) as RequestMessage[];
}

export function unpackReplies(bytes: Uint8Array): ReplyMessage[] {
  return packr.unpack(bytes) as ReplyMessage[];
}

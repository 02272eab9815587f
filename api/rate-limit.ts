import type { TenantQuotas } from '../actors/ports.js';
import type { Problem } from './problem.js';

/** What the front asks about tenants before it lets a request in: both answers cost a look into a map. */
export interface TenantLimits {
  quotasOf(tenantId: string): TenantQuotas | undefined;
  /** How long the tenant has more waiting than it can do in time, milliseconds from now; 0 when it has not. */
  overloadMs(tenantId: string): number;
}

/** Of the quotas that count requests and bytes: both are amounts a second. */
const windowSeconds = 1;

/**
 * A second's worth at most, refilled evenly. What costs more than is left is let in while anything is left, and its
 * debt is waited for: a request may be larger than a second's bytes.
 */
class Bucket {
  #left: number;
  #at: number;

  constructor(quota: number, now: number) {
    this.#left = quota;
    this.#at = now;
  }

  /** What is left at `now`, milliseconds. */
  left(quota: number, now: number): number {
    this.#left = Math.min(quota * windowSeconds, this.#left + ((now - this.#at) * quota) / 1000);
    this.#at = now;
    return this.#left;
  }

  take(cost: number): void {
    this.#left -= cost;
  }
}

/** Header fields of draft-ietf-httpapi-ratelimit-headers-11. */
export type RateLimitFields = Record<'ratelimit-policy' | 'ratelimit', string>;

export interface Admission {
  /** Undefined for a tenant without quotas of this kind. */
  fields: RateLimitFields | undefined;
  problem: Problem | undefined;
}

interface Buckets {
  requests: Bucket;
  bytes: Bucket;
}

const free: Admission = { fields: undefined, problem: undefined };
/** Tenants whose use is remembered; the oldest is forgotten first, and then has a second's worth again. */
const tenantsMax = 10_000;

/** Holds each tenant to its requests and bytes a second. Owns what they have left. */
export class RateLimiter {
  readonly #buckets = new Map<string, Buckets>();
  readonly #now: () => number;

  /** @param now monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param bytes of the body, as far as they are known. */
  admit(tenantId: string, quotas: TenantQuotas | undefined, bytes: number): Admission {
    const requestQuota = quotas?.requestsPerSecond || 0;
    const byteQuota = quotas?.payloadBytes || 0;
    if (requestQuota === 0 && byteQuota === 0) return free;
    const now = this.#now();
    const buckets = this.#bucketsOf(tenantId, requestQuota, byteQuota, now);
    const requests = requestQuota === 0 ? undefined : buckets.requests.left(requestQuota, now);
    const payload = byteQuota === 0 ? undefined : buckets.bytes.left(byteQuota, now);
    const problem =
      exceeded('requestsPerSecond', requestQuota, requests, 1) ?? exceeded('payloadBytes', byteQuota, payload, 0);
    if (problem === undefined) {
      buckets.requests.take(1);
      buckets.bytes.take(bytes);
    }
    const taken = problem === undefined ? 1 : 0;
    const fields = fieldsOf([
      { name: 'requests', unit: '', quota: requestQuota, left: requests && requests - taken },
      { name: 'bytes', unit: ';qu="content-bytes"', quota: byteQuota, left: payload && payload - taken * bytes },
    ]);
    return { fields, problem };
  }

  #bucketsOf(tenantId: string, requestQuota: number, byteQuota: number, now: number): Buckets {
    const known = this.#buckets.get(tenantId);
    if (known !== undefined) return known;
    if (this.#buckets.size >= tenantsMax) this.#buckets.delete(this.#buckets.keys().next().value as string);
    const buckets = { requests: new Bucket(requestQuota, now), bytes: new Bucket(byteQuota, now) };
    this.#buckets.set(tenantId, buckets);
    return buckets;
  }
}

/** @param needed has to be there; 0: anything above nothing. */
function exceeded(
  quota: keyof TenantQuotas,
  limit: number,
  left: number | undefined,
  needed: number,
): Problem | undefined {
  if (left === undefined || (needed > 0 ? left >= needed : left > 0)) return undefined;
  return {
    code: 'quota-exceeded',
    detail: `The tenant's quota of ${limit} ${quota === 'payloadBytes' ? 'body bytes' : 'requests'} a second is used up; nothing was done.`,
    facts: { quota, limit },
    retryAfterSeconds: (needed - left) / limit,
  };
}

interface Use {
  name: string;
  unit: string;
  quota: number;
  left: number | undefined;
}

/** `r`: what is left; `t`: seconds until all of it is there again. */
function fieldsOf(uses: readonly Use[]): RateLimitFields {
  const used = uses.filter((use): use is Use & { left: number } => use.left !== undefined);
  const policy = used.map(({ name, unit, quota }) => `"${name}";q=${quota};w=${windowSeconds}${unit}`);
  const state = used.map(
    ({ name, quota, left }) => `"${name}";r=${Math.max(0, Math.floor(left))};t=${Math.ceil((quota - left) / quota)}`,
  );
  return { 'ratelimit-policy': policy.join(', '), ratelimit: state.join(', ') };
}

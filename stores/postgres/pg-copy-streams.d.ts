/** The part of `pg-copy-streams` that we use; the package carries no types. */
declare module 'pg-copy-streams' {
  import type { Readable } from 'node:stream';
  import type { Submittable } from 'pg';

  /** Emits the bytes of COPY ... TO STDOUT; chunks end anywhere. */
  export function to(text: string): Readable & Submittable;
}

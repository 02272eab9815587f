import type { Access } from './privilege.js';
import type { ProblemCode } from './problem.js';
import type { QueryName, ShapeName } from './shape.js';

/** What operations are made of; the tables of them are in `operation.ts` and the `operation-<noun>.ts` beside it. */

/**
 * One route, said once: the server registers it, the reader of queries and headers obeys it, and the OpenAPI document
 * describes it, so the three cannot drift apart.
 */
export interface Operation {
  id: string;
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Below `basePath`; the names in braces are in `pathParameters` (`openapi.ts`). `/workitems/{id}` takes a UUID. */
  path: string;
  summary: string;
  /** Who may call it. There is no default: an operation that does not say it does not compile. */
  access: Access;
  /** Health and documents: answered at the root as well, never held back by the gate. */
  service?: true;
  query?: readonly QueryName[];
  takesIfMatch?: boolean;
  takesIdempotencyKey?: boolean;
  body?: OperationBody;
  answers: Readonly<Record<number, OperationAnswer>>;
  problems: readonly ProblemCode[];
}

/**
 * - raw: the bytes go to the engine as they came.
 * - stream: the bytes go to the engine while they come.
 * - small: parsed and validated here, by the shape.
 */
export interface OperationBody {
  kind: 'raw' | 'stream' | 'small';
  /** Media types, the preferred one first, each with the shape that the document shows. */
  content: Readonly<Record<string, ShapeName>>;
  required: boolean;
}

export interface OperationAnswer {
  description: string;
  shape?: ShapeName;
  /** True when `?dryRun=true` answers its own shape instead. */
  dryRun?: boolean;
  /** Media type when it is not JSON. */
  media?: string;
  /** What an answer that is not JSON looks like. */
  example?: string;
  etag?: boolean;
  location?: boolean;
}

export const json = 'application/json';

/** What may be wrong with a body that the engine reads. */
export const contentProblems: readonly ProblemCode[] = [
  'invalid-json',
  'invalid-value',
  'unknown-field',
  'missing-field',
  'too-deep',
  'unsafe-number',
  'unsafe-text',
  'unsafe-key',
  'too-large',
  'unsupported-media-type',
];

/** What may be wrong with a small body, which its shape checks. */
export const smallBodyProblems: readonly ProblemCode[] = [
  'invalid-json',
  'invalid-value',
  'unknown-field',
  'missing-field',
  'unsafe-text',
  'too-large',
  'unsupported-media-type',
];

/** A GET of a tenant's data, of one document or of a page. */
export const read = (
  id: string,
  access: Access,
  path: string,
  summary: string,
  answer: OperationAnswer,
  query?: QueryName[],
): Operation => ({
  id,
  method: 'GET',
  path,
  summary,
  access,
  ...(query && { query }),
  answers: { 200: answer },
  problems: [
    'invalid-value',
    'unknown-field',
    ...(query?.includes('cursor') ? (['invalid-cursor'] as const) : []),
    ...(path.includes('{id}') || id.startsWith('get') ? (['not-found'] as const) : []),
  ],
});

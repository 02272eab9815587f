import { type Operation, type OperationAnswer, operations, urlsOf } from './operation.js';
import { type ProblemCode, problemTypes } from './problem.js';
import { type QueryField, type QueryName, queryFields, type ShapeName, shapes, workItemId } from './shape.js';

type Json = Record<string, unknown>;

/** What every operation but those of the service itself may answer besides its own problems. */
const commonProblems: readonly ProblemCode[] = [
  'bad-request',
  'request-timeout',
  'headers-too-large',
  'too-many-requests',
  'internal',
  'unavailable',
  'overloaded',
  'draining',
  'timeout',
];

/** The OpenAPI 3.1 document of the routes, made from the same table that registers them. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    for (const [index, url] of urlsOf(operation).entries()) {
      paths[url] ??= {};
      paths[url][operation.method.toLowerCase()] = operationObject(operation, index);
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Intelligent Workload Distribution',
      version: '3.0.0',
      summary: 'One queue of work items in the exact order of their business value now',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }, { session: [] }],
    tags: [
      ...['work items', 'bulk actions', 'queue', 'settings', 'tenants and keys', 'people', 'audit', 'personal data'],
      'service',
    ].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A token of the identity provider.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-iwd-session',
          description:
            'What changes something needs the header `x-csrf-token` as well, whose value `GET /session` says.',
        },
        metricsToken: { type: 'http', scheme: 'bearer', description: 'Only where the server is set up with one.' },
      },
      parameters: { ...headerParameters, ...pathParameters, ...queryParameters() },
      headers: responseHeaders,
      schemas: { ...shapes, Problem: problemSchema },
      responses: problemResponses(),
    },
  };
}

function operationObject(operation: Operation, index: number): Json {
  return {
    // The second URL of an operation needs an id of its own.
    operationId: index === 0 ? operation.id : `${operation.id}-base`,
    summary: operation.summary,
    tags: [tagOf(operation)],
    ...(operation.access === 'open' && { security: operation.id === 'metrics' ? [{}, { metricsToken: [] }] : [] }),
    'x-access': operation.access,
    parameters: parametersOf(operation),
    ...(operation.body && { requestBody: requestBody(operation.body) }),
    responses: responsesOf(operation),
  };
}

function tagOf({ path, service }: Operation): string {
  if (path.endsWith('/audit')) return 'audit';
  if (path.startsWith('/subjects')) return 'personal data';
  if (service) return 'service';
  if (path.startsWith('/settings') || path === '/what-if') return 'settings';
  if (/^\/(session|users|roles)/.test(path)) return 'people';
  if (/^\/(provisioning|keys)/.test(path)) return 'tenants and keys';
  if (path.startsWith('/bulk-actions')) return 'bulk actions';
  return path === '/queue' || path === '/workitems/next' ? 'queue' : 'work items';
}

function parametersOf(operation: Operation): Json[] {
  const names = [
    ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!),
    ...(operation.query ?? []),
    ...(operation.takesIfMatch ? ['If-Match'] : []),
    ...(operation.takesIdempotencyKey ? ['Idempotency-Key'] : []),
    ...(operation.service ? [] : ['X-Request-Id']),
  ];
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function requestBody({ content, required }: NonNullable<Operation['body']>): Json {
  const entries = Object.entries(content).map(([media, shape]) => [media, mediaObject(shape)]);
  return { required, content: Object.fromEntries(entries) };
}

function mediaObject(shape: ShapeName): Json {
  const example = (shapes[shape] as { examples?: unknown[] }).examples?.[0];
  return { schema: { $ref: `#/components/schemas/${shape}` }, ...(example !== undefined && { example }) };
}

function responsesOf(operation: Operation): Json {
  const responses: Json = {};
  for (const [status, answer] of Object.entries(operation.answers)) responses[status] = answerObject(operation, answer);
  const codes = [...operation.problems, ...commonProblemsOf(operation)];
  for (const [status, list] of byStatus(codes)) {
    if (responses[status]) continue;
    responses[status] = operation.service
      ? problemResponse(status, list)
      : { $ref: `#/components/responses/Problem${status}` };
  }
  return responses;
}

function commonProblemsOf({ access, service }: Operation): readonly ProblemCode[] {
  if (service) return ['internal'];
  if (access === 'open') return commonProblems;
  return access === 'signed-in'
    ? ['unauthorized', ...commonProblems]
    : ['unauthorized', 'forbidden', ...commonProblems];
}

function answerObject(operation: Operation, answer: OperationAnswer): Json {
  const headers = [
    'X-Request-Id',
    ...(answer.etag ? ['ETag'] : []),
    ...(answer.location ? ['Location'] : []),
    ...(operation.takesIdempotencyKey ? ['Idempotency-Replayed'] : []),
  ];
  const content = answer.shape
    ? { 'application/json': answer.dryRun ? orDryRun(answer.shape) : mediaObject(answer.shape) }
    : answer.media && {
        [answer.media]: {
          schema: answer.media.includes('json') ? { type: 'object' } : { type: 'string' },
          ...(answer.example !== undefined && { example: answer.example }),
        },
      };
  return {
    description: answer.description,
    headers: Object.fromEntries(headers.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    ...(content && { content }),
  };
}

function orDryRun(shape: ShapeName): Json {
  const media = mediaObject(shape);
  return { ...media, schema: { anyOf: [media.schema, { $ref: '#/components/schemas/DryRun' }] } };
}

const responseHeaders: Json = {
  ETag: { description: 'The version, quoted; send it back as If-Match.', schema: { type: 'string' }, example: '"3"' },
  Location: {
    description: 'Where the new item is.',
    schema: { type: 'string' },
    example: `/iwd/v3/workitems/${workItemId}`,
  },
  'Idempotency-Replayed': {
    description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.',
    schema: { const: 'true' },
    example: 'true',
  },
  'X-Request-Id': {
    description: 'Names the request in our logs.',
    schema: { type: 'string' },
    example: 'a1b2c3d4e5f6-1',
  },
  'Retry-After': { description: 'Seconds.', schema: { type: 'integer', minimum: 1 }, example: 1 },
  Allow: { description: 'Methods that the path has.', schema: { type: 'string' }, example: 'GET, POST' },
};

const headerParameters: Json = {
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description: 'Do it only if the version is still this one: a strong ETag, or *.',
    schema: { type: 'string', pattern: '^(\\*|"[0-9]{1,15}")$' },
    example: '"3"',
  },
  'Idempotency-Key': {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'Makes a repetition answer as the first time.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: 'crm-4711-create',
  },
  'X-Request-Id': {
    name: 'X-Request-Id',
    in: 'header',
    description: 'Your own id for the request; returned and logged.',
    schema: { type: 'string', pattern: '^[\\w.:/+=-]{1,128}$' },
  },
};

/** Every name that stands in braces in an operation's path. */
const pathParameters: Json = {
  ccid: {
    name: 'ccid',
    in: 'path',
    required: true,
    description: 'Contact centre id of the tenant.',
    schema: { type: 'string' },
    example: '9350e2fc-a1dd-4c65-8d40-1f75a2e080dd',
  },
  filterId: {
    name: 'filterId',
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' },
    example: 'overdue',
  },
  id: { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' }, example: workItemId },
  subject: {
    name: 'subject',
    in: 'path',
    required: true,
    description: 'Id of a person, as `customerId` or a subject key has it.',
    schema: { type: 'string' },
    example: 'c-1',
  },
  name: { name: 'name', in: 'path', required: true, schema: { type: 'string' }, example: 'Night shift' },
};

function queryParameters(): Json {
  const names = Object.keys(queryFields) as QueryName[];
  return Object.fromEntries(names.map((name) => [name, queryParameter(name, queryFields[name])]));
}

function queryParameter(name: string, field: QueryField): Json {
  const common = { name, in: 'query', description: field.description };
  switch (field.kind) {
    case 'text':
      return { ...common, schema: { type: 'string', minLength: 1, maxLength: field.lengthMax } };
    case 'integer':
      return { ...common, schema: { type: 'integer', minimum: field.min, maximum: field.max } };
    case 'instant':
      return { ...common, schema: { type: 'string', format: 'date-time' } };
    case 'list': {
      const one = { type: 'string', enum: field.of };
      return { ...common, schema: field.single ? one : { type: 'array', items: one, uniqueItems: true } };
    }
  }
}

const problemSchema: Json = {
  type: 'object',
  description: 'RFC 9457. `code` is stable; further members carry facts that a program may act on.',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string', enum: Object.keys(problemTypes) },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'code', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'JSON pointer into the body, or ?name for a query parameter.' },
          code: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
};

function byStatus(codes: readonly ProblemCode[]): Map<number, ProblemCode[]> {
  const groups = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes)) {
    const { status } = problemTypes[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}

function problemResponses(): Json {
  const groups = [...byStatus(Object.keys(problemTypes) as ProblemCode[])];
  return Object.fromEntries(groups.map(([status, codes]) => [`Problem${status}`, problemResponse(status, codes)]));
}

function problemResponse(status: number, codes: ProblemCode[]): Json {
  const headers = [
    'X-Request-Id',
    ...(status === 429 || status === 503 ? ['Retry-After'] : []),
    ...(status === 405 ? ['Allow'] : []),
  ];
  return {
    description: codes.map((code) => `\`${code}\`: ${problemTypes[code].title}.`).join(' '),
    headers: Object.fromEntries(headers.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map((code) => [code, { value: problemExample(code) }])),
      },
    },
  };
}

function problemExample(code: ProblemCode): Json {
  const { status, title } = problemTypes[code];
  return { type: `urn:iwd:problem:${code}`, title, status, detail: `${title}.`, instance: '/iwd/v3/workitems', code };
}

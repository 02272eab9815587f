import type { Answer, Engine, Reply, Request } from '../actors/request.js';

type CreateMany = Extract<Request, { op: 'createMany' }>;

export const itemId = '0198c5a0-7e1b-7c3d-9f00-5b8f4a2c6d1e';

/**
 * The engine's side of the front for the tests of this folder: records what it is asked and answers what the test says,
 * by default the plain answer of each request. It keeps nothing; what the real one does is tested elsewhere.
 */
export class ScriptedEngine implements Engine {
  readonly asked: { tenantId: string; request: Request }[] = [];
  reply: (request: Request) => Reply | Promise<Reply> = plainReply;
  dumps: object[][] = [];
  state: { ready: boolean; tenants: Record<string, string> } = { ready: true, tenants: { acme: 'ready' } };

  async request(tenantId: string, request: Request): Promise<Reply> {
    this.asked.push({ tenantId, request });
    return this.reply(request);
  }

  async metrics(): Promise<object[][]> {
    return this.dumps;
  }

  async ready(): Promise<{ ready: boolean; tenants: Record<string, string> }> {
    return this.state;
  }

  get last(): Request {
    return this.asked.at(-1)!.request;
  }
}

export function plainReply(request: Request): Reply {
  switch (request.op) {
    case 'create':
      return { status: 201, json: `{"id":"${itemId}"}`, id: itemId, version: 1 };
    case 'createMany':
      return takeLines(request);
    case 'getSettings':
    case 'putSettings':
      return { status: 200, json: '{"version":4}', version: 4 };
    case 'list':
    case 'search':
    case 'history':
    case 'explain':
    case 'queue':
      return { status: 200, json: `{"op":"${request.op}"}` };
    default:
      return { status: 200, json: `{"id":"${itemId}","version":7}`, version: 7, id: itemId };
  }
}

/**
 * A result for each line, as the real engine gives it: accepted when it is a JSON object, its `n` repeated so that tests
 * see which line it was. A body that is no array is one faulty line; a blank line is a faulty one.
 */
function takeLines({ body, format, firstLine }: CreateMany): Reply {
  const text = Buffer.from(body).toString('utf8');
  const whole = format === 'array' ? parse(text) : text.replace(/\n$/, '').split('\n').map(parse);
  const lines = Array.isArray(whole) ? (whole as unknown[]) : [null];
  const results = lines.map((value, index) => lineResult(value, firstLine + index));
  const accepted = results.filter((result) => result.includes('"status":201')).length;
  const answer: Answer = { status: 200, json: results.join(','), accepted, refused: results.length - accepted };
  return answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function lineResult(value: unknown, line: number): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return JSON.stringify({ line, status: 400, code: 'invalid-json', detail: 'Not an object.' });
  }
  return JSON.stringify({ line, id: itemId, status: 201, n: (value as { n?: unknown }).n });
}

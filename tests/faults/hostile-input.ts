import { request } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { randomFrom } from '../crash/load-item.js';
import type { FaultSystem } from './fault-system.js';
import type { Scenario } from './scenario.js';

const atOnce = 32;

/** One body of the corpus; the text goes out as it stands, byte for byte. */
interface Sent {
  kind: string;
  bytes: Buffer;
  /** Good ones must be accepted, whatever came with them. */
  isGood: boolean;
}

interface Accepted {
  id: string;
  /** The attributes as JSON.parse reads what was sent. */
  sent: unknown;
}

/** Bodies that no client should send, among those of clients that do nothing wrong. */
export const hostileInput: Scenario = {
  id: 'S38',
  what: 'hostile bodies mixed with good ones, single and in bulk',
  needs: [],
  async run(trial) {
    const count = trial.pick(10_000, 600);
    const system = await trial.system();
    const random = randomFrom(38);
    const accepted: Accepted[] = [];
    const statuses = new Map<number, number>();
    const wrong: string[] = [];
    let [goodFailed, unequal] = [0, 0];
    const compare = async (when: string) => {
      for (const { id, sent } of accepted) {
        const shown = await answer(system, 'GET', `/workitems/${id}`);
        const { attributes } = JSON.parse(shown.body) as { attributes: unknown };
        if (isDeepStrictEqual(withoutMinusZero(attributes), withoutMinusZero(sent))) continue;
        unequal++;
        wrong.push(
          `${when}: sent ${JSON.stringify(sent).slice(0, 100)}, shown ${JSON.stringify(attributes).slice(0, 100)}`,
        );
      }
    };
    for (let from = 0; from < count; from += atOnce) {
      const batch = Array.from({ length: atOnce }, (_, i) => draw(random, from + i));
      const replies = await Promise.all(batch.map(({ bytes }) => answer(system, 'POST', '/workitems', bytes)));
      replies.forEach(({ status, body }, i) => {
        const { kind, bytes, isGood } = batch[i]!;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status >= 500 || status === 0) wrong.push(`${kind}: ${status} ${body.slice(0, 200)}`);
        if (isGood && status !== 201) goodFailed++;
        if (status !== 201) return;
        const { id } = JSON.parse(body) as { id: string };
        accepted.push({
          id,
          sent: (JSON.parse(new TextDecoder().decode(bytes)) as { attributes?: unknown }).attributes ?? {},
        });
      });
      const refused = await bulkGoodRefused(system, batch);
      goodFailed += refused.length;
      wrong.push(...refused);
    }
    await compare('at once');
    await system.killAndRestart();
    await compare('after kill -9, from Postgres');
    const failed = [...statuses].filter(([status]) => status >= 500 || status === 0).reduce((sum, [, n]) => sum + n, 0);
    const other = [...statuses]
      .filter(([status]) => ![201, 400, 413].includes(status))
      .reduce((sum, [, n]) => sum + n, 0);
    trial.exactly('answers 5xx or none', 0, failed, wrong);
    trial.exactly('answers other than 201, 400, 413', 0, other, [[...statuses].join(' ')]);
    trial.exactly('good commands that failed beside bad ones', 0, goodFailed, wrong);
    trial.exactly('accepted bodies that come back different (twice compared)', 0, unequal, wrong);
    trial.note(
      `${count} bodies of ${kinds.length} kinds, each also as a line of a bulk request; ${accepted.length} accepted and compared`,
    );
    await system.server.stop();
  },
};

/** Bulk of the same bodies as NDJSON: each line is judged alone. @returns what became of the good ones that were refused. */
async function bulkGoodRefused(system: FaultSystem, batch: Sent[]): Promise<string[]> {
  // A line break inside a body would end its line, and a blank line has no result.
  const lines = batch.filter(({ bytes }) => !bytes.includes(10) && bytes.toString('latin1').trim() !== '');
  const body = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]));
  const reply = await answer(system, 'POST', '/workitems/bulk', body, 'application/x-ndjson');
  const { results = [] } = reply.status === 200 ? (JSON.parse(reply.body) as { results: { status: number }[] }) : {};
  return lines.flatMap(({ isGood }, i) => {
    const status = results[i]?.status;
    if (!isGood || status === 200 || status === 201) return [];
    return [`line ${i} of ${lines.length}: ${JSON.stringify(results[i] ?? reply.body.slice(0, 300))}`];
  });
}

/** jsonb knows no minus zero, and neither does anybody who prints one. */
function withoutMinusZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

function answer(
  system: FaultSystem,
  method: string,
  path: string,
  body?: Buffer,
  contentType = 'application/json',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: system.port,
        method,
        path: `/iwd/v3${path}`,
        headers: {
          'x-api-key': system.apiKey,
          ...(body && { 'content-type': contentType, 'content-length': body.length }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
        response.on('error', () => resolve({ status: 0, body: 'the answer broke off' }));
      },
    );
    call.on('error', (error) => resolve({ status: 0, body: error.message }));
    call.end(body);
  });
}

type Make = (random: () => number) => string | Buffer;

const item = (attributes: string) => `{"attributes":${attributes}}`;
const text = (value: string) => item(JSON.stringify({ text: value }));
const pickFrom = <T>(random: () => number, values: readonly T[]): T => values[Math.floor(random() * values.length)]!;

const kinds: readonly { name: string; make: Make }[] = [
  { name: 'NUL in a text', make: () => item('{"text":"a\\u0000b"}') },
  { name: 'NUL in a key', make: () => item('{"a\\u0000b":1}') },
  { name: 'raw control character', make: () => Buffer.from('{"attributes":{"text":"a\u0001b"}}') },
  {
    name: 'lone surrogate',
    make: (random) => item(`{"text":"${pickFrom(random, ['\\ud800', '\\udfff', 'x\\ud83dy'])}"}`),
  },
  { name: 'lone surrogate in a key', make: () => item('{"\\ud800":1}') },
  { name: 'surrogate pair', make: () => item('{"text":"\\ud83d\\ude00"}') },
  { name: 'bad UTF-8', make: (random) => broken(random) },
  {
    name: 'overlong UTF-8',
    make: () => Buffer.from([...Buffer.from('{"attributes":{"t":"'), 0xc0, 0x80, ...Buffer.from('"}}')]),
  },
  { name: 'byte order mark', make: () => Buffer.from('\ufeff{"attributes":{}}') },
  {
    name: 'proto key',
    make: (random) => item(`{"${pickFrom(random, ['__proto__', '\\u005f_proto__', 'constructor'])}":{"x":1}}`),
  },
  { name: 'proto key at the top', make: () => '{"__proto__":{"status":"completed"}}' },
  { name: 'nested prototype', make: () => item('{"constructor":{"prototype":{"x":1}}}') },
  {
    name: 'number beyond 2^53',
    make: (random) =>
      item(`{"n":${pickFrom(random, ['9007199254740993', '-9007199254740993', '123456789012345678901234567890'])}}`),
  },
  { name: 'number without end', make: (random) => item(`{"n":${pickFrom(random, ['1e400', '-1e400', '1e309'])}}`) },
  {
    name: 'tiny number',
    make: (random) => item(`{"n":${pickFrom(random, ['5e-324', '1e-400', '0.1', '1.7976931348623157e308'])}}`),
  },
  { name: 'minus zero', make: () => item('{"n":-0}') },
  {
    name: 'far year',
    make: (random) =>
      `{"dueDateTime":"${pickFrom(random, ['+300000-01-01T00:00:00Z', '300000-01-01T00:00:00Z', 'infinity', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z'])}"}`,
  },
  { name: 'long text', make: () => text('x'.repeat(64 * 1024)) },
  { name: 'text up to the limit', make: () => text('y'.repeat(60_000)) },
  { name: 'right to left', make: () => text('\u202eabc\u202c \u200b\u200d\ufeff \u0627\u0644\u0639') },
  { name: 'deep', make: (random) => item(`{"d":${'['.repeat(10 + Math.floor(random() * 5000))}`) },
  { name: 'deep and closed', make: (random) => nested(Math.floor(random() * 60)) },
  { name: 'duplicate keys', make: () => item('{"a":1,"a":2}') },
  { name: 'empty key', make: () => item('{"":""}') },
  {
    name: 'many keys',
    make: () => item(JSON.stringify(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, i])))),
  },
  { name: 'captureId with NUL', make: () => '{"captureId":"a\\u0000"}' },
  { name: 'captureId with a surrogate', make: () => '{"captureId":"\\udc00"}' },
  { name: 'attributes that are none', make: (random) => item(pickFrom(random, ['[]', '"x"', '1', 'true'])) },
  {
    name: 'no JSON',
    make: (random) => pickFrom(random, ['', '{', '[]', 'null', 'nul', '"', '{"a":}', '{"attributes":{}} x', '\u0000']),
  },
  {
    name: 'wrong types',
    make: (random) =>
      pickFrom(random, [
        '{"businessValue":"1"}',
        '{"businessValue":1e300}',
        '{"captureId":7}',
        '{"dueDateTime":0}',
        '{"surprise":1}',
      ]),
  },
  { name: 'noise', make: (random) => Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256))) },
  { name: 'random Unicode', make: (random) => text(randomText(random)) },
];

function draw(random: () => number, number: number): Sent {
  if (random() < 0.3) {
    const bytes = Buffer.from(`{"captureId":"good-${number}","attributes":{"mark":${number}}}`);
    // The same body again, as a line of the bulk request, is found by its captureId.
    return { kind: 'good', bytes, isGood: true };
  }
  const { name, make } = pickFrom(random, kinds);
  const made = make(random);
  return { kind: name, bytes: typeof made === 'string' ? Buffer.from(made) : made, isGood: false };
}

function broken(random: () => number): Buffer {
  const bytes = Buffer.from('{"attributes":{"text":"abcdefgh"}}');
  bytes[23 + Math.floor(random() * 7)] = 0x80 + Math.floor(random() * 0x7f);
  return bytes;
}

function nested(depth: number): string {
  return item(`{"d":${'['.repeat(depth)}${']'.repeat(depth)}}`);
}

function randomText(random: () => number): string {
  const point = () => {
    const drawn = 1 + Math.floor(random() * 0x10ffff);
    return drawn >= 0xd800 && drawn <= 0xdfff ? 0xfffd : drawn;
  };
  return String.fromCodePoint(...Array.from({ length: 20 }, point));
}

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { type ServerProcess, startServerProcess } from './server-process.js';

const count = 1500;
const awkward = ['=HYPERLINK("x")', 'a "quoted", text', 'two\nlines', '-5', 'ü\u{1f6a7}', '@x', 'plain'];
const folder = mkdtempSync(join(tmpdir(), 'iwd-export-'));

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
  const items = Array.from({ length: count }, (_, n) => ({
    captureId: `c${n}`,
    businessValue: n % 2 ? n : -n,
    attributes: { text: awkward[n % awkward.length], n, filler: 'x'.repeat(400) },
  }));
  const { accepted } = (await server.client.request<{ accepted: number }>('POST', '/workitems/bulk', items))!;
  assert.equal(accepted, count);
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

function ask(method: string, path: string, options: { body?: object; accept?: string; signal?: AbortSignal } = {}) {
  const { body, accept = 'text/csv', signal } = options;
  return fetch(`${server.url}/iwd/v3${path}`, {
    method,
    headers: { 'x-api-key': server.apiKey, accept, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
}

const columns = ['seq', 'captureId', 'businessValue', { field: 'attributes.text', name: 'Text' }, 'attributes.n'];

test('a CSV export holds every item in order, and no text of it is a formula', async () => {
  const response = await ask('POST', '/workitems/export', { body: { columns } });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('iwd-export-total'), String(count));
  const rows = parse(await response.text(), { columns: true }) as Record<string, string>[];
  assert.equal(rows.length, count);
  for (const [n, row] of rows.entries()) {
    const text = awkward[n % awkward.length]!;
    assert.equal(row.Text, /^[=@-]/.test(text) ? `'${text}` : text);
    assert.deepEqual(
      [row.captureId, row.businessValue, row['attributes.n']],
      [`c${n}`, String(n % 2 ? n : 0 - n), String(n)],
    );
  }
});

test('a saved filter chooses what is exported, and all fields come when no columns are asked for', async () => {
  const all = (await (await ask('GET', '/workitems/export?saved=unassigned')).text()).split('\r\n');
  assert.match(all[0]!, /^seq,id,.*,priority,attributes$/);
  const none = await (await ask('GET', '/workitems/export?saved=held')).text();
  assert.equal(none, `${all[0]}\r\n`);
});

test('an NDJSON export that breaks off goes on after its last whole line, and loses and repeats nothing', async () => {
  const read = async (path: string, bytesMax: number) => {
    const abort = new AbortController();
    const options = { body: { columns: ['seq', 'captureId', 'attributes'] }, accept: 'application/x-ndjson' };
    const response = await ask('POST', path, { ...options, signal: abort.signal });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.length > bytesMax) break;
    }
    const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
    const at = response.headers.get('iwd-export-at')!;
    return {
      at,
      items: lines.map((line) => JSON.parse(line) as { seq: number; captureId: string; attributes: object }),
    };
  };
  const first = await read('/workitems/export', 200_000);
  assert.ok(first.items.length > 100 && first.items.length < count);
  const rest = await read(
    `/workitems/export?after=${first.items.at(-1)!.seq}&at=${first.at}`,
    Number.POSITIVE_INFINITY,
  );
  assert.equal(rest.at, first.at);
  const names = [...first.items, ...rest.items].map(({ captureId }) => captureId);
  assert.deepEqual(
    names,
    Array.from({ length: count }, (_, n) => `c${n}`),
  );
  assert.equal((rest.items.at(-1)!.attributes as { n: number }).n, count - 1);
});

test('what cannot be exported is said with its place before anything is sent', async () => {
  const problem = async (path: string, body?: object) => {
    const response = await ask(body ? 'POST' : 'GET', path, { body });
    const { code, errors } = (await response.json()) as { code: string; errors: { pointer: string }[] };
    return [response.status, code, errors.map(({ pointer }) => pointer).join()];
  };
  assert.deepEqual(await problem('/workitems/export?saved=none'), [400, 'invalid-value', '?saved']);
  assert.deepEqual(await problem('/workitems/export?at=noon'), [400, 'invalid-value', '?at']);
  const columns = ['seq', 'sequence', { field: 'seq', name: 'seq' }, { field: 'id', width: 3 }];
  const faults = '/columns/1,/columns/3/width,/columns/2';
  assert.deepEqual(await problem('/workitems/export', { columns }), [400, 'invalid-value', faults]);
  const filter = { field: 'x', op: 'eq', value: 1 };
  assert.deepEqual(await problem('/workitems/export', { filter }), [400, 'invalid-value', '/filter/field']);
});

/** Passes connections on to the server; the first is treated as `first` says, after so many bytes of its answer. */
async function proxy(first: 'cut' | 'stall', bytes: number): Promise<{ url: string; server: Server }> {
  let isFirst = true;
  const proxied = createServer((client) => {
    const upstream = connect(Number(new URL(server.url).port), '127.0.0.1');
    const ends = isFirst;
    isFirst = false;
    let passed = 0;
    upstream.on('data', (chunk: Buffer) => {
      passed += chunk.length;
      if (!ends || passed <= bytes) client.write(chunk);
      else if (first === 'cut') client.destroy();
      else upstream.pause();
    });
    client.pipe(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxied, 'listening');
  return { url: `http://127.0.0.1:${(proxied.address() as AddressInfo).port}`, server: proxied };
}

function startCli(
  url: string,
  ...args: string[]
): { child: ChildProcess; done: Promise<[code: number | null, err: string]> } {
  const program = new URL('../bin/iwd.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, 'export', ...args, '--url', url, '--api-key', server.apiKey]);
  let text = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const done = once(child, 'close').then(([code]) => [code as number | null, text] as [number | null, string]);
  return { child, done };
}

async function cli(url: string, ...args: string[]): Promise<string> {
  const [code, text] = await startCli(url, ...args).done;
  assert.equal(code, 0, text);
  return text;
}

for (const format of ['csv', 'ndjson']) {
  test(`iwd export writes the same ${format} file whether or not its connection was cut`, async () => {
    const [whole, cut] = [join(folder, `whole.${format}`), join(folder, `cut.${format}`)];
    await cli(server.url, whole, '--columns', 'captureId,businessValue,attributes');
    const { url, server: proxied } = await proxy('cut', 150_000);
    assert.match(await cli(url, cut, '--columns', 'captureId,businessValue,attributes'), /100 %.*1500 items/);
    proxied.close();
    assert.ok(readFileSync(cut).equals(readFileSync(whole)), 'the files differ');
    assert.ok(!existsSync(`${cut}.resume`));
  });
}

test('iwd export that was killed goes on where it was, and refuses to go on with another question', async () => {
  const [path, whole] = [join(folder, 'killed.csv'), join(folder, 'unkilled.csv')];
  const columns = ['--columns', 'captureId,attributes'];
  await cli(server.url, whole, ...columns);
  const { url, server: proxied } = await proxy('stall', 150_000);
  const { child, done } = startCli(url, path, ...columns);
  const rows = () =>
    existsSync(`${path}.resume`) ? (JSON.parse(readFileSync(`${path}.resume`, 'utf8')) as { rows: number }).rows : 0;
  for (const until = Date.now() + 20_000; rows() === 0; await new Promise((resolve) => setTimeout(resolve, 20)))
    assert.ok(Date.now() < until, 'nothing was saved');
  child.kill('SIGKILL');
  await done;
  const saved = rows();
  assert.ok(saved < count);
  const [code, refused] = await startCli(url, path, '--saved', 'held').done;
  assert.equal(code, 1);
  assert.match(refused, /belongs to another export/);
  assert.match(await cli(url, path, ...columns), new RegExp(`going on after ${saved} items`));
  proxied.close();
  assert.ok(readFileSync(path).equals(readFileSync(whole)), 'the files differ');
  assert.match((await startCli(url, path).done)[1], /complete; --restart/);
});

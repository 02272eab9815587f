import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runProgram } from './program.js';
import { bareEnvironment, type ServerProcess, startServerProcess } from './server-process.js';

const cityFile =
  process.env.NYC_311_CSV ?? fileURLToPath(new URL('../../../shared/data/nyc-311-2022-05-01.csv', import.meta.url));
const cityMapping = fileURLToPath(new URL('../../examples/nyc-311-mapping.json', import.meta.url));

let server: ServerProcess;
before(async () => {
  server = await startServerProcess();
});
after(() => server?.stop());

/** Writes a file into the server's folder and returns its path. */
function file(name: string, content: string): string {
  const path = join(server.dataDir, name);
  writeFileSync(path, content);
  return path;
}

/** Settings of the client only: URL by option, key by environment. */
function runImport(args: string[]) {
  return runProgram('bin/iwd.js', ['import', ...args, '--url', server.url], {
    env: { ...bareEnvironment(), IWD_API_KEY: server.apiKey },
  });
}

const mapping = JSON.stringify({ fields: { captureId: 'Id', businessValue: 'Value' }, attributes: ['Topic'] });

async function find(captureId: string): Promise<{ status: string; businessValue: number; attributes: object }[]> {
  const list = await server.client.request<{ items: { status: string; businessValue: number; attributes: object }[] }>(
    'GET',
    `/workitems?captureId=${captureId}`,
  );
  return list!.items;
}

test('a CSV comes in, a repetition changes nothing, refused lines are told by number and kept', async () => {
  const map = file('mapping.json', mapping);
  const csv = file('items.csv', 'Id,Value,Topic\na1,10,"roads, bridges"\na2,many,x\na3,3,\n,4,x\na5,1e300,x\n');
  const rejects = join(server.dataDir, 'rejects.ndjson');
  const first = await runImport([csv, '--map', map, '--rejects', rejects]);
  assert.equal(first.code, 1, first.stderr);
  assert.match(first.stdout, /accepted 2, unchanged 0, rejected 3 in/);
  assert.match(first.stderr, /line 3: invalid-value: businessValue is "many"; expected a number/);
  const refused = readFileSync(rejects, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(refused.map(({ line }) => line).sort(), [3, 5, 6]);
  assert.equal(refused.find(({ line }) => line === 6).record.Id, 'a5');
  assert.ok(refused.every(({ code, detail }) => code && detail));
  const [item] = await find('a1');
  assert.equal(item!.businessValue, 10);
  assert.deepEqual(item!.attributes, { Topic: 'roads, bridges' });

  const second = await runImport([csv, '--map', map]);
  assert.match(second.stdout, /accepted 0, unchanged 2, rejected 3 in/);
  assert.equal((await find('a1')).length, 1);
});

test('other content under a known captureId is refused, or updates with --mode upsert', async () => {
  const map = file('mapping.json', mapping);
  const before = file('before.ndjson', '{"Id":"u1","Value":1}\n{"Id":"u2","Value":1}\n');
  const later = file('later.ndjson', '{"Id":"u1","Value":2}\n\n{"Id":"u2","Value":1}\n');
  assert.equal((await runImport([before, '--map', map])).code, 0);
  const conflict = await runImport([later, '--map', map]);
  assert.equal(conflict.code, 1);
  assert.match(conflict.stderr, /line 1: capture-conflict/);
  const upsert = await runImport([later, '--map', map, '--mode', 'upsert']);
  assert.equal(upsert.code, 0, upsert.stderr);
  assert.match(upsert.stdout, /accepted 0, updated or unchanged 2, rejected 0/);
  assert.equal((await find('u1'))[0]!.businessValue, 2);
});

test("the city's file comes in whole with the shipped mapping", {
  skip: !existsSync(cityFile) && `${cityFile} is not here`,
}, async () => {
  const result = await runImport([cityFile, '--map', cityMapping, '--batch', '100']);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /rejected 0 in/);
  assert.match(result.stderr, /100 % /);
  const again = await runImport([cityFile, '--map', cityMapping]);
  assert.match(again.stdout, /accepted 0, unchanged \d+, rejected 0/);
});

test('a dry run needs no server and sends nothing', async () => {
  const args = [file('dry.ndjson', '{"Id":"d1"}\n{"Id":"d2","Value":"x"}\n'), '--map', file('mapping.json', mapping)];
  const result = await runImport([...args, '--dry-run']);
  assert.equal(result.code, 1);
  assert.match(result.stdout, /1 lines are fine, 1 would be refused; nothing was sent/);
  assert.deepEqual(await find('d1'), []);
});

test('what cannot work ends with code 2 and says why', async () => {
  const items = file('items.ndjson', '{"Id":"x"}\n');
  const faulty = file('faulty.json', '{"fields":{"captureID":"Id"}}');
  const failures: [string[], RegExp][] = [
    [[items, '--map', faulty], /faulty\.json has faults:\n {2}\/fields\/captureID: .*did you mean captureId/],
    [[items, '--map', file('none.json', '{"fields":{}}')], /captureId is missing.*--allow-no-capture-id/],
    [[items], /expected --map/],
    [[items, '--map', file('mapping.json', mapping), '--api-key', 'wrong'], /answered 401/],
    [[join(server.dataDir, 'absent.csv'), '--map', file('mapping.json', mapping)], /ENOENT/],
    [[items, '--map', file('mapping.json', mapping), '--frobnicate'], /frobnicate/],
  ];
  for (const [args, message] of failures) {
    const result = await runImport(args);
    assert.equal(result.code, 2, result.stdout);
    assert.match(result.stderr, message);
  }
});

/** All items there are. */
async function countAll(): Promise<number> {
  let [count, cursor] = [0, ''];
  for (let page = 0; page < 20; page++) {
    const list = await server.client.request<{ items: unknown[]; next: string | null }>(
      'GET',
      `/workitems?limit=1000${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    count += list!.items.length;
    if (!list!.next) return count;
    cursor = list!.next;
  }
  throw new Error('more items than this test makes');
}

for (const [kind, fields, options] of [
  ['with captureIds', '{"captureId":"Id"}', []],
  ['without, under Idempotency-Keys', '{}', ['--allow-no-capture-id']],
] as const) {
  test(`a server that dies during an import costs no line and doubles none: ${kind}`, async () => {
    const count = 2000;
    const before = await countAll();
    const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ Id: `crash-${i}`, Topic: 'x'.repeat(200) }));
    const map = file('crash.json', `{"fields":${fields},"attributes":["Topic"]}`);
    const running = runImport([file('crash.ndjson', lines.join('\n')), '--map', map, '--batch', '10', ...options]);
    while ((await countAll()) < before + 100) await new Promise((resolve) => setImmediate(resolve));
    await server.server.kill();
    await server.restart();
    const result = await running;
    assert.equal(result.code, 0, result.stderr);
    const [, accepted, unchanged] = /accepted (\d+), unchanged (\d+), rejected 0/.exec(result.stdout)!.map(Number);
    assert.equal(accepted! + unchanged!, count);
    assert.equal(await countAll(), before + count);
  });
}

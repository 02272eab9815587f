import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { commitTimeouts } from './connection.js';
import { NotYet, PatientDialer, serverOf } from './dialer.js';

test('a database that refuses is tried again after a pause that grows, one attempt at a time', async () => {
  let attempts = 0;
  const server = createServer((socket) => {
    attempts++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `postgres://u@127.0.0.1:${(server.address() as AddressInfo).port}/d`;
  const dialer = new PatientDialer();
  const since = performance.now();
  const attemptsAt: number[] = [];
  let notYet = 0;
  while (performance.now() - since < 1500) {
    const before = attempts;
    const errors = await Promise.all([1, 2, 3].map(() => dialer.dial(url, commitTimeouts).catch((error) => error)));
    notYet += errors.filter((error) => error instanceof NotYet).length;
    if (attempts > before) attemptsAt.push(performance.now() - since);
    await new Promise((resolve) => setImmediate(resolve));
  }
  server.close();
  const pauses = attemptsAt.slice(1).map((at, i) => at - attemptsAt[i]!);
  assert.ok(attempts - 3 === attemptsAt.length - 1, 'only the first time three try at once');
  assert.ok(attempts <= 20, `${attempts} attempts`);
  assert.ok(Math.min(...pauses) >= 49, String(pauses));
  assert.ok(pauses.at(-1)! > 200, String(pauses));
  assert.ok(notYet > 100);
});

test('databases are told apart by their server, sockets too', () => {
  assert.equal(serverOf('postgres://u:p@db.example:6000/a'), 'db.example:6000');
  assert.equal(serverOf('postgresql://iwd@localhost/iwd?host=%2Ftmp%2Fpg&port=5433'), '/tmp/pg:5433');
});

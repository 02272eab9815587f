import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { ForbiddenAddress, GuardedSocket, isForbiddenAddress } from './guarded-socket.js';

const special = [
  ...['169.254.169.254', '169.254.0.1', '0.0.0.0', '0.1.2.3', '224.0.0.1', '239.255.255.255', '255.255.255.255'],
  ...['100.100.100.200', '192.0.0.192', 'fe80::1', 'febf::1', 'ff02::1', 'fd00:ec2::254', '::', '::a9fe:a9fe'],
  ...['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '64:ff9b::169.254.169.254', '::7f00:1'],
];
const ordinary = ['127.0.0.1', '10.0.0.5', '192.168.1.4', '172.16.0.1', '8.8.8.8', '::1', 'fd12::1', '2001:db8::1'];

test('special addresses are refused in every form, those where databases live are not', () => {
  for (const address of special) assert.ok(isForbiddenAddress(address), address);
  for (const address of ordinary) assert.ok(!isForbiddenAddress(address), address);
});

/** The error of a connection attempt, or undefined when it was made. */
async function attempt(port: number, host: string): Promise<Error | undefined> {
  const socket = new GuardedSocket();
  try {
    const failed = once(socket, 'error').then(([error]) => error as Error);
    const connected = once(socket, 'connect').then(() => undefined);
    failed.catch(() => {});
    connected.catch(() => {});
    socket.connect(port, host);
    return await Promise.race([failed, connected]);
  } finally {
    socket.destroy();
  }
}

test('no connection is made to a special address, whether it is written out, as a number, or behind a name', async () => {
  // 0xa9fea9fe and 2852039166 are 169.254.169.254 as the resolver reads them.
  for (const host of [...special, '0xa9fea9fe', '2852039166', '0251.0376.0251.0376']) {
    const error = await attempt(1, host);
    assert.ok(error instanceof ForbiddenAddress, `${host}: ${error}`);
    assert.ok(!error.message.includes('password'));
  }
});

test('an ordinary address and a name are connected to', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  assert.equal(await attempt(port, '127.0.0.1'), undefined);
  assert.equal(await attempt(port, 'localhost'), undefined);
  server.close();
});

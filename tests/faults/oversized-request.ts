import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type FaultSystem, usageOf } from './fault-system.js';
import type { Scenario } from './scenario.js';

const megabyte = 1024 * 1024;
const pieceBytes = 64 * 1024;
const answerMsMax = 10_000;

interface Attack {
  name: string;
  /** What the answer must be; any of them. */
  wanted: readonly number[];
  /** Sends until it is done or the server has hung up. */
  send(socket: Socket, head: (more: string) => string): Promise<void>;
}

/** Requests that are made to fill memory or to keep a core busy. */
export const oversizedRequest: Scenario = {
  id: 'S37',
  what: '1 GB chunked body, 16 MB of headers, zip bomb, JSON 1,000,000 deep',
  needs: [],
  async run(trial) {
    const system = await trial.system();
    const pid = await system.serverPid();
    const times = trial.pick(5, 3);
    for (const attack of attacks) {
      const statuses: number[] = [];
      await one(system, attack);
      await sleep(300);
      const before = usageOf(pid);
      for (let i = 0; i < times; i++) statuses.push(await one(system, attack));
      await sleep(200);
      const after = usageOf(pid);
      const right = statuses.filter((status) => attack.wanted.includes(status)).length;
      trial.all(`${attack.name}: answered ${attack.wanted.join(' or ')}`, right, times, [statuses.join(' ')]);
      trial.atMost(`${attack.name}: more memory`, 20, (after.residentBytes - before.residentBytes) / megabyte, ' MB');
      trial.atMost(`${attack.name}: CPU of one`, 50, (after.cpuMs - before.cpuMs) / times, ' ms');
    }
    trial.note(
      `${times} of each, one after the other, after one to warm up; CPU of the whole process, idle work included`,
    );
    const code = await system.server.stop();
    trial.exactly('exit code after all', 0, code ?? Number.NaN);
  },
};

const attacks: readonly Attack[] = [
  {
    name: '1 GB chunked item',
    wanted: [413],
    send: (socket, head) => flood(socket, head('transfer-encoding: chunked'), 1024),
  },
  {
    name: '1 GB announced',
    wanted: [413],
    send: async (socket, head) => void socket.write(head(`content-length: ${1024 * megabyte}`)),
  },
  {
    name: '16 MB of headers',
    wanted: [431],
    send: async (socket, head) => {
      const line = `x-filler: ${'x'.repeat(8000)}\r\n`;
      await write(socket, head('content-length: 2').slice(0, -2));
      for (let i = 0; i < 2000 && !socket.destroyed; i++) await write(socket, line);
    },
  },
  {
    name: 'zip bomb',
    wanted: [415],
    send: async (socket, head) => {
      const bomb = gzipSync(Buffer.alloc(64 * megabyte, 0x20));
      await write(socket, head(`content-encoding: gzip\r\ncontent-length: ${bomb.length}`));
      await write(socket, bomb);
    },
  },
  {
    name: 'JSON 1,000,000 deep',
    wanted: [400, 413],
    send: async (socket, head) => {
      const body = Buffer.from(`{"attributes":{"d":${'['.repeat(1_000_000)}`);
      await write(socket, head(`content-length: ${body.length}`));
      await write(socket, body);
    },
  },
  {
    name: 'JSON as deep as fits',
    wanted: [400],
    send: async (socket, head) => {
      const body = Buffer.from(`{"attributes":{"d":${'['.repeat(32_000)}${']'.repeat(32_000)}}}`);
      await write(socket, head(`content-length: ${body.length}`));
      await write(socket, body);
    },
  },
];

/** @returns the status of the answer, 0 without one. */
async function one(system: FaultSystem, attack: Attack): Promise<number> {
  const socket = connect(system.port, '127.0.0.1');
  socket.on('error', () => {});
  let received = '';
  const status = new Promise<number>((resolve) => {
    const tell = () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0));
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text;
      if (/^HTTP\/1\.1 (?!100)\d{3}/.test(received)) tell();
    });
    socket.on('close', tell);
    setTimeout(tell, answerMsMax).unref();
  });
  const head = (more: string) =>
    [
      'POST /iwd/v3/workitems HTTP/1.1',
      'host: localhost',
      `x-api-key: ${system.apiKey}`,
      'content-type: application/json',
      more,
      '\r\n',
    ].join('\r\n');
  // Who has the answer sends no more, as every HTTP client does.
  const answeredEarly = status.then(() => {});
  await Promise.race([attack.send(socket, head).catch(() => {}), answeredEarly]);
  const answered = await status;
  socket.destroy();
  return answered;
}

/** Chunk after chunk for as long as the server takes them. */
async function flood(socket: Socket, head: string, megabytes: number): Promise<void> {
  await write(socket, head);
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(megabyte, 0x20), Buffer.from('\r\n')]);
  for (let i = 0; i < megabytes && !socket.destroyed; i++) await write(socket, chunk);
}

/** Piece by piece, so that an early answer is seen, as HTTP clients do. */
async function write(socket: Socket, bytes: Buffer | string): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) await writePiece(socket, bytes.slice(at, at + pieceBytes));
}

/** Resolves when the kernel has taken it. */
function writePiece(socket: Socket, bytes: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) return resolve();
    socket.write(bytes, (error) => (error ? reject(error) : setImmediate(resolve)));
  });
}

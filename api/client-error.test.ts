import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { refuseUnparsed } from './client-error.js';

/** A socket that keeps what is written to it. */
class Line extends Duplex {
  text = '';
  _httpMessage?: { headersSent: boolean };
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function refuse(line: Line, code: string): Promise<string> {
  const closed = new Promise<string>((resolve) => line.on('close', () => resolve(line.text)));
  refuseUnparsed(Object.assign(new Error('no'), { code }), line as unknown as Socket);
  return closed;
}

test('a refusal is one whole HTTP answer, and then the connection ends', async () => {
  const text = await refuse(new Line(), 'HPE_INVALID_METHOD');
  const [head, body] = text.split('\r\n\r\n') as [string, string];
  assert.match(head, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.equal(Number(/content-length: (\d+)/i.exec(head)![1]), Buffer.byteLength(body));
});

test('nothing is written into an answer that has begun, nor after a reset', async () => {
  const begun = new Line();
  begun._httpMessage = { headersSent: true };
  assert.equal(await refuse(begun, 'HPE_INVALID_METHOD'), '');
  assert.equal(await refuse(new Line(), 'ECONNRESET'), '');
});

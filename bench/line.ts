import { connect, type Socket } from 'node:net';

/** Bytes of an answer's body that are looked at. */
const headBytes = 64;
const bodyMark = Buffer.from('\r\n\r\n');

type OnAnswer = (status: number, head: string) => void;

/**
 * One keep-alive connection with one request on it at a time, read no further than a load needs: status, length and the
 * first bytes of the body. A tenth of what `node:http` takes for a request, which on two cores is the server's.
 */
export class Line {
  readonly #socket: Socket;
  #onAnswer: OnAnswer | undefined;
  /** An answer whose head has not arrived whole. */
  #partial: Buffer | undefined;
  #status = 0;
  #head = '';
  /** Bytes of the body that are still to come. */
  #missing = 0;
  closed = false;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      this.#answer(0, 'the connection was closed');
    });
  }

  /** `onAnswer` gets status 0 when the connection ends instead. */
  send(request: Buffer | string, onAnswer: OnAnswer): void {
    this.#onAnswer = onAnswer;
    this.#socket.write(request as string, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#missing > 0) {
      this.#missing -= chunk.length;
      if (this.#missing <= 0) this.#answer(this.#status, this.#head);
      return;
    }
    const bytes = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk]);
    const end = bytes.indexOf(bodyMark);
    if (end < 0) {
      this.#partial = bytes;
      return;
    }
    this.#partial = undefined;
    const header = bytes.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(header)?.[1] ?? 0);
    const bodyAt = end + bodyMark.length;
    this.#status = Number(header.slice(9, 12));
    this.#head = bytes.toString('latin1', bodyAt, Math.min(bytes.length, bodyAt + headBytes));
    this.#missing = length - (bytes.length - bodyAt);
    if (this.#missing <= 0) this.#answer(this.#status, this.#head);
  }

  #answer(status: number, head: string): void {
    const onAnswer = this.#onAnswer;
    this.#missing = 0;
    this.#onAnswer = undefined;
    onAnswer?.(status, head);
  }
}

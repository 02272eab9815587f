import type { Socket } from 'node:net';
import { type Problem, problemOnWire } from './problem.js';

/** Answers what Node's HTTP parser refused, so that also such a client gets a problem document; then hangs up. */
export function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  // After a reset nobody listens; and when an answer has begun, a second one would be read as part of it.
  const begun = (socket as Socket & { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy();
    return;
  }
  socket.end(problemOnWire(problemOfParser(error.code)), () => socket.destroy());
}

function problemOfParser(code: string | undefined): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'request-timeout', detail: 'The request did not arrive whole in the time that is allowed.' };
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'headers-too-large', detail: 'Send fewer or shorter header fields.' };
    default:
      return { code: 'bad-request', detail: 'The HTTP request is not well-formed.' };
  }
}

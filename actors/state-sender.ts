import type { MessagePort } from 'node:worker_threads';
import { type CopyPart, StateCopier } from '../engine/state-copy.js';
import type { Instant } from '../engine/work-item.js';
import type { Runtime } from './ports.js';
import { pause } from './runtime.js';
import type { Term } from './term.js';

const durablePollMs = 5;
/** How long a copy waits for the follower, so that the tables have the documents of what it holds. */
const projectedMsMax = 5000;

/** What the receiver says when it is ready to take a copy. */
export const beginCopy = 'begin';

/** What the sender says: parts, the last one with the instant for which the copy stands; or why there is none. */
export type CopyMessage = { part: CopyPart; at: Instant } | { failed: string };

/**
 * Sends a copy of the term's state through the port, a slice a turn, once the receiver has asked for it. The last part
 * waits until everything that the copy may show is durable. Stops when the receiver goes away.
 */
export function offerState(port: MessagePort, runtime: Runtime, currentTerm: () => Term | undefined): void {
  let isOpen = true;
  port.on('close', () => {
    isOpen = false;
  });
  port.once('message', (message) => {
    const term = currentTerm();
    if (message !== beginCopy || term === undefined) {
      port.postMessage({ failed: 'the tenant is recovering' } satisfies CopyMessage);
      port.close();
      return;
    }
    void sendState(term, port, runtime, () => isOpen && !term.ended).finally(() => port.close());
  });
}

async function sendState(term: Term, port: MessagePort, runtime: Runtime, goesOn: () => boolean): Promise<void> {
  const copier = new StateCopier(term.state);
  while (goesOn()) {
    const part = copier.slice();
    if (part === undefined) return send(port, { failed: 'the tenant changes faster than it can be copied' });
    const at = runtime.now();
    if (part.end !== undefined) {
      const { seq } = part.end;
      while (term.durableSeq < seq && goesOn()) await pause(runtime, durablePollMs);
      await term.projector.reached(seq, projectedMsMax);
      if (goesOn()) return send(port, { part, at });
      break;
    }
    send(port, { part, at });
    await new Promise<void>((resolve) => runtime.soon(resolve));
  }
  send(port, { failed: 'the tenant is recovering' });
}

/** The part's bytes move to the receiver, none is copied. */
function send(port: MessagePort, message: CopyMessage): void {
  const { items, slots, gone } = 'part' in message ? message.part : {};
  const buffers = [items, slots, gone].flatMap((column) => column?.buffer ?? []);
  port.postMessage(message, buffers);
}

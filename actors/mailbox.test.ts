import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mailbox } from './mailbox.js';

interface Message {
  id: number;
  bytes: number;
}

test('first in, first out, never beyond the count or the bytes, whatever is put back or taken out', () => {
  const step = fc.record({ what: fc.constantFrom('push', 'push', 'shift', 'putBack', 'remove'), bytes: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const mailbox = new Mailbox<Message>(6, 150);
      let model: Message[] = [];
      steps.forEach(({ what, bytes }, id) => {
        const message = { id, bytes };
        const used = model.reduce((sum, one) => sum + one.bytes, 0);
        if (what === 'push') {
          const fits = model.length < 6 && (model.length === 0 || used + bytes <= 150);
          assert.equal(mailbox.push(message), fits);
          if (fits) model.push(message);
        } else if (what === 'shift') assert.equal(mailbox.shift(), model.shift());
        else if (what === 'putBack') {
          const other = { id: -id, bytes };
          mailbox.putBack([message, other]);
          model = [message, other, ...model];
        } else {
          const isOut = (one: Message) => one.id % 3 === 0;
          assert.deepEqual(mailbox.remove(isOut), model.filter(isOut));
          model = model.filter((one) => !isOut(one));
        }
        assert.equal(mailbox.size, model.length);
        assert.equal(
          mailbox.bytes,
          model.reduce((sum, one) => sum + one.bytes, 0),
        );
      });
      for (const message of model) assert.deepEqual(mailbox.shift(), message);
      assert.equal(mailbox.shift(), undefined);
    }),
    { numRuns: 500 },
  );
});

test('ten thousand messages pass through without being kept', () => {
  const mailbox = new Mailbox<Message>(5, 1000);
  for (let id = 0; id < 10_000; id++) {
    assert.ok(mailbox.push({ id, bytes: 1 }));
    if (id >= 3) assert.equal(mailbox.shift()?.id, id - 3);
  }
  assert.equal(mailbox.size, 3);
});

test('a message that was taken is let go at once: bodies are large', {
  skip: globalThis.gc === undefined && 'needs --expose-gc',
}, async () => {
  const mailbox = new Mailbox<Message>(5, 1000);
  mailbox.push({ id: 1, bytes: 1 });
  mailbox.push({ id: 2, bytes: 1 });
  const taken = new WeakRef(mailbox.shift()!);
  // A WeakRef keeps its target until the turn of the loop in which it was made has ended.
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc!();
  assert.equal(taken.deref(), undefined);
  assert.equal(mailbox.shift()?.id, 2);
});

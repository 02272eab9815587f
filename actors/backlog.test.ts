import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backlog } from './backlog.js';
import { Mailbox } from './mailbox.js';

/** One that takes `perSecond` messages of 100 bytes, asked every 5 ms. */
class Desk {
  readonly mailbox = new Mailbox<{ bytes: number; at: number }>(1e6, 1e9);
  readonly backlog = new Backlog(this.mailbox);
  now = 0;
  #credit = 0;
  waits: number[] = [];

  tick(perSecond: number): void {
    this.now += 5;
    this.#credit = this.mailbox.size === 0 ? 0 : this.#credit + (perSecond * 5) / 1000;
    for (; this.#credit >= 1 && this.mailbox.size > 0; this.#credit--) {
      this.waits.push(this.now - this.mailbox.shift()!.at);
    }
  }

  push(bytes = 100): number {
    const waitMs = this.backlog.waitMs(this.now);
    this.mailbox.push({ bytes, at: this.now });
    return waitMs;
  }
}

test('who finds nobody before itself does not wait, however slow the tenant was', () => {
  const desk = new Desk();
  for (let i = 0; i < 100; i++) desk.push();
  for (let i = 0; i < 400; i++) desk.tick(100);
  assert.equal(desk.mailbox.size, 0);
  assert.equal(desk.push(), 0);
});

test('a backlog is estimated at the pace at which it is taken, within a third', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 5000 }), fc.integer({ min: 2, max: 10 }), (perSecond, times) => {
      const desk = new Desk();
      let estimate = 0;
      for (let i = 0; i < 200; i++) {
        for (let n = 0; n < (perSecond * times * 5) / 1000; n++) estimate = desk.push();
        desk.tick(perSecond);
      }
      const actual = (desk.mailbox.size / perSecond) * 1000;
      assert.ok(Math.abs(estimate - actual) < actual / 3, `estimated ${estimate}, it is ${actual}`);
    }),
  );
});

test('with a bound on the estimate, ten times too many leave those who get in with a bounded wait', () => {
  const desk = new Desk();
  for (let i = 0; i < 2000; i++) {
    for (let n = 0; n < 10; n++) {
      if (desk.backlog.waitMs(desk.now) <= 500) desk.push();
    }
    desk.tick(200);
  }
  const settled = desk.waits.slice(desk.waits.length >> 1);
  assert.ok(Math.max(...settled) < 700, `${Math.max(...settled)} ms`);
  assert.ok(settled.length > 900, 'nobody is refused without need');
});

test('a time in which nothing was taken because nobody served says nothing about the pace', () => {
  const desk = new Desk();
  for (let i = 0; i < 50; i++) {
    desk.push();
    desk.backlog.interrupted(desk.now);
    desk.now += 100;
  }
  desk.tick(1000);
  assert.ok(desk.push() < 500);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply, Request } from '../actors/request.js';
import { isFinal } from '../engine/life-cycle.js';
import type { WorkItem } from '../engine/work-item.js';
import { unpackEvents } from '../stores/event-batch.js';
import { type Fault, randomFaults, seeded } from '../stores/memory/faulty.js';
import { bodyOf, create, encode, next, TenantWorld } from './tenant-world.js';

/** To look for more, or to repeat one: FAULT_SEEDS=1000-2000. */
const [firstSeed, lastSeed] = (process.env.FAULT_SEEDS ?? '1-40').split('-').map(Number) as [number, number];
const requestsARun = 120;

interface Asked {
  request: Request;
  reply?: Reply;
  answers: number;
  /** The process that it was asked of has died. */
  gone?: boolean;
}

/** One tenant under random requests, failing stores, crashes and steps of the wall clock; then what is left is judged. */
class Run {
  readonly world: TenantWorld;
  readonly #random: () => number;
  readonly #seed: number;
  readonly #asked: Asked[] = [];
  readonly #ids: string[] = [];
  #wallShiftMsMax = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seeded(seed);
    this.world = new TenantWorld({
      documentBytesMax: this.#pick([0, 3000, 1e8]),
      batchEventsMax: this.#pick([1, 5, 512]),
      snapshotIntervalMs: this.#pick([500, 60_000]),
      unprojectedBytesMax: this.#pick([5000, 1e8]),
    });
    this.world.runtime.lookMs = this.#pick([0, 0.3]);
  }

  async play(): Promise<void> {
    await this.world.start();
    const faults = randomFaults(this.#seed, this.#pick([0.02, 0.1, 0.3]));
    // A refusal for good is only told for what cannot be stored: none of these requests is such.
    const isPoison = (fault: Fault | undefined) => fault?.kind === 'refused' && !fault.transient;
    this.world.plan = (call, args) => {
      const fault = faults(call, args);
      return isPoison(fault) ? { kind: 'before' } : fault;
    };
    for (let n = 0; n < requestsARun; n++) {
      for (let burst = this.#pick([1, 1, 8]); burst > 0; burst--) this.#submit();
      await this.world.runtime.pass(this.#pick([0, 1, 5, 40, 300]));
      if (this.#random() < 0.02)
        this.#setWallClock(this.world.runtime.wallShiftMs + this.#pick([-3_600_000, 1000, 3_600_000]));
      if (this.#random() < 0.03) await this.#crash();
    }
    this.world.plan = () => undefined;
    // The order at an earlier instant is another one: the comparisons begin when the wall clock has caught up.
    this.#setWallClock(this.#wallShiftMsMax);
    await this.world.runtime.until(
      () => this.#asked.every(({ answers, gone }) => gone || answers > 0) && this.world.actor.mode === 'serving',
    );
    // Whatever was to happen until now has happened: a sleeping tenant looks at the clock once a minute.
    await this.world.runtime.pass(70_000);
    await this.world.projected();
    await this.#judge();
  }

  #setWallClock(shiftMs: number): void {
    this.world.runtime.wallShiftMs = shiftMs;
    this.#wallShiftMsMax = Math.max(this.#wallShiftMsMax, shiftMs);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)];
  }

  #submit(): void {
    const asked: Asked = { request: this.#request(), answers: 0 };
    this.#asked.push(asked);
    this.world.actor.submit(asked.request, (reply) => {
      asked.reply = reply;
      asked.answers++;
      if (!reply.rejected && reply.id !== undefined) this.#ids.push(reply.id);
    });
  }

  #request(): Request {
    const n = this.#asked.length;
    const retried = this.#asked.length > 0 ? this.#pick(this.#asked).request : next();
    const id = this.#pick([...this.#ids, '00000000-0000-7000-8000-000000000000']);
    const soon = new Date(this.world.runtime.now() + this.#pick([50, 1000, 5000])).toISOString();
    const choices: (() => Request)[] = [
      () => create({ captureId: `c${n}`, businessValue: n % 5 }),
      () => create({ captureId: `c${n}`, activationDateTime: soon }),
      () => create({ captureId: `c${n}`, expirationDateTime: soon }),
      () => create({ captureId: `c${Math.floor(this.#random() * n)}`, businessValue: 9 }, { mode: 'upsert' }),
      () => create({ attributes: { n } }, { idempotencyKey: `k${n}` }),
      () => create({ attributes: { n } }),
      () => (['create', 'next'].includes(retried.op) ? retried : next()),
      () => ({ ...next(`agent${n}`), idempotencyKey: `n${n}` }),
      () => next(`agent${n}`),
      () => ({ op: 'command', name: this.#pick(['complete', 'hold', 'resume', 'restart', 'unassign']), id }),
      () => ({ op: 'createMany', format: 'array', firstLine: 0, mode: 'create', body: encode(bulk(n)) }),
      () => ({ op: 'queue', limit: 20 }),
      () => ({ op: 'get', id }),
    ];
    return this.#pick(choices)();
  }

  /** The process dies: whoever waits gets no answer any more, and a new actor begins on what is durable. */
  async #crash(): Promise<void> {
    for (const asked of this.#asked) if (asked.answers === 0) asked.gone = true;
    await this.world.actor.kill();
    this.world.actor = this.world.newActor();
    this.world.actor.start();
  }

  async #judge(): Promise<void> {
    const { database } = this.world;
    const events = database.journal.flatMap((row) => unpackEvents(row.bytes));
    assert.equal(events.length, database.lease.lastSeq);
    this.#judgeJournal(events);
    this.#judgeCounts(events);
    this.#judgeAnswers(events);
    const queued = [...database.items.values()].filter(({ status }) => status === 'queued').map(({ id }) => id);
    assert.deepEqual((await this.world.queue()).sort(), queued.sort(), 'memory and tables hold the same queue');
    const before = await this.world.queue();
    await this.world.crash();
    assert.deepEqual(await this.world.queue(), before, 'and so does a new memory, in the same order');
  }

  /** Once a captureId, once a key; versions without a gap; what the tables hold is what the events add up to. */
  #judgeJournal(events: ReturnType<typeof unpackEvents>): void {
    const captureIds = new Set<string>();
    const keys = new Set<string>();
    const versions = new Map<string, number>();
    for (const event of events) {
      if (event.key !== undefined) {
        assert.ok(!keys.has(event.key.key), `the key ${event.key.key} was done twice`);
        keys.add(event.key.key);
      }
      if (event.type === 'created' && event.item.captureId !== undefined) {
        assert.ok(!captureIds.has(event.item.captureId), `${event.item.captureId} was created twice`);
        captureIds.add(event.item.captureId);
      }
      const [id, version] =
        'item' in event ? [event.item.id, event.item.version] : 'id' in event ? [event.id, event.version] : ['', 0];
      if (id === '') continue;
      assert.equal(version, (versions.get(id) ?? 0) + 1, `a version of ${id} is missing or there twice`);
      versions.set(id, version);
    }
    const { items, history } = this.world.database;
    assert.equal(items.size, versions.size);
    for (const [id, version] of versions) {
      assert.equal(items.get(id)!.version, version);
      assert.equal(history.get(id)!.length, version, 'the history has every event once');
    }
  }

  /** Also what has no name of its own, neither captureId nor key, happens once a request. */
  #judgeCounts(events: ReturnType<typeof unpackEvents>): void {
    const asked = new Map<string, number>();
    for (const { request } of this.#asked) {
      for (const mark of marksOf(request)) asked.set(mark, (asked.get(mark) ?? 0) + 1);
    }
    for (const event of events) {
      const mark =
        event.type === 'created'
          ? event.item.attributes
          : event.type === 'assigned'
            ? event.set!.assignedTo
            : undefined;
      if (mark === undefined || mark === null || mark === '{}') continue;
      const left = (asked.get(mark) ?? 0) - 1;
      assert.ok(left >= 0, `${event.type} ${mark} more often than asked for`);
      asked.set(mark, left);
    }
  }

  #judgeAnswers(events: ReturnType<typeof unpackEvents>): void {
    const { items } = this.world.database;
    const taken = new Map<string, number>();
    for (const { request, reply, answers, gone } of this.#asked) {
      if (!gone) assert.equal(answers, 1, 'one answer each');
      if (reply === undefined || reply.rejected) continue;
      if (reply.id !== undefined) assert.ok(items.has(reply.id), `${request.op} was acknowledged and is not there`);
      if (request.op === 'createMany') {
        for (const line of JSON.parse(`[${reply.json}]`)) assert.ok(items.has(line.id), 'a line was acknowledged');
      }
      if (request.op === 'next' && reply.status === 200 && !reply.replayed) {
        taken.set(reply.id!, (taken.get(reply.id!) ?? 0) + 1);
        const item = bodyOf(reply) as WorkItem;
        assert.ok(!isFinal(item.status) && item.assignedTo === request.agentId);
      }
    }
    for (const [id, count] of taken) {
      const assigned = events.filter((event) => event.type === 'assigned' && event.id === id).length;
      assert.ok(count <= assigned, `${id} was given away ${count} times and assigned ${assigned} times`);
    }
  }
}

const bulk = (n: number) => Array.from({ length: 12 }, (_, line) => ({ attributes: { n, line } }));

/** Names of what the request does, which its events bear: nothing of it may happen more often than it was asked for. */
function marksOf(request: Request): string[] {
  if (request.op === 'next') return [request.agentId];
  if (request.op !== 'create' && request.op !== 'createMany') return [];
  const body = JSON.parse(Buffer.from(request.body).toString());
  return [body].flat().map(({ attributes }) => JSON.stringify(attributes ?? {}));
}

test('whatever fails and whenever it dies: nothing acknowledged is lost, nothing is done twice, everybody is answered once', async () => {
  for (let seed = firstSeed; seed <= lastSeed; seed++) {
    try {
      await new Run(seed).play();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
});

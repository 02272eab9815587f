import type { Reply, Request } from '../../actors/request.js';
import { type ItemCommandName, itemCommands } from '../../engine/command.js';
import { nextKey } from './fold.js';
import { exponential, type Kernel, pick } from './kernel.js';
import { schemasOf, startAt } from './settings.js';

const retryMs = 150;
const captureIds = 80;
/** What captureIds are drawn from, so that clients repeat each other's. */
export const sharedCaptureIds: readonly string[] = Array.from({ length: captureIds }, (_, number) => `c${number}`);
const linesMax = 30;
const repeatable = new Set(['unavailable', 'draining', 'timeout', 'too-many-requests', 'internal']);

/** Whether a request has not got an answer that ends it: nothing was heard, or it is to come again. */
export function isOpen(reply: Reply | undefined): reply is undefined {
  return reply === undefined || (reply.rejected === true && repeatable.has(reply.code));
}

export interface Operation {
  request: Request;
  /** Name in traces. */
  name: string;
  captureId?: string;
  /** The newest version of the item that anybody had been told of before the question: a read must not show an older. */
  heardVersion?: number;
  /** Nobody changes anything now but the engine's own timers: reads must show the very last state. */
  isQuiet?: boolean;
}

/** A client's way to the service: one attempt, which may be answered, refused or never heard of again (undefined). */
export interface Service {
  attempt(operation: Operation): Promise<Reply | undefined>;
  /** The client has its definite answer. */
  answered(operation: Operation, reply: Reply): void;
  /** The newest version of an item that any client has been told, 0 for none. */
  heardVersion(id: string): number;
  /** Items that some client has been told of lately. */
  recentIds(): readonly string[];
}

/**
 * An agent and a source system in one: creates items, takes the next, works on it, and sends everything that got no
 * definite answer again under the same Idempotency-Key until it gets one.
 */
export class Client {
  readonly name: string;
  isDone = false;
  /** What it waits for, while it does. */
  waitsFor: Operation | undefined;
  readonly #kernel: Kernel;
  readonly #random: () => number;
  readonly #service: Service;
  readonly #poisons: boolean;
  #mine: string[] = [];
  #held: string[] = [];
  #seen: string[] = [];
  #requests = 0;

  constructor(name: string, kernel: Kernel, service: Service, poisons: boolean) {
    this.name = name;
    this.#kernel = kernel;
    this.#random = kernel.random(name);
    this.#service = service;
    this.#poisons = poisons;
  }

  /** Goes on until `until`, then until its last request is answered. */
  async run(until: number, thinkMs: number): Promise<void> {
    while (this.#kernel.now < until) {
      await this.#act();
      await this.#kernel.pause(exponential(this.#random, thinkMs));
    }
    this.isDone = true;
  }

  async #act(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.3) await this.#create();
    else if (dice < 0.34) await this.#createMany();
    else if (dice < 0.57) await this.#next();
    else if (dice < 0.72) await this.#finish();
    else if (dice < 0.76) await this.#command('resume', take(this.#held, this.#random));
    else if (dice < 0.79) await this.#update();
    else if (dice < 0.86) await this.#meddle();
    else if (dice < 0.945) await this.#get();
    else if (dice < 0.985) await this.#ask({ request: { op: 'queue', limit: 1000 }, name: 'queue' });
    else await this.#publish();
  }

  #key(prefix: string): string {
    return `${prefix}${this.name}-${this.#requests++}`;
  }

  async #create(): Promise<void> {
    const item = this.#item();
    const idempotencyKey = item.captureId === undefined || this.#random() < 0.5 ? this.#key('create-') : undefined;
    const mode = this.#random() < 0.15 ? 'upsert' : 'create';
    if (mode === 'upsert') item.businessValue = Math.floor(this.#random() * 50);
    const reply = await this.#ask({
      request: { op: 'create', body: encode(item), mode, ...(idempotencyKey && { idempotencyKey }) },
      name: `${mode} ${item.captureId ?? ''}`,
      captureId: item.captureId,
    });
    if (!reply.rejected && reply.id !== undefined) this.#seen.push(reply.id);
  }

  async #createMany(): Promise<void> {
    const items = Array.from({ length: 1 + Math.floor(this.#random() * linesMax) }, () => this.#item());
    await this.#ask({
      request: {
        op: 'createMany',
        body: encode(items),
        format: 'array',
        firstLine: 0,
        mode: 'create',
        idempotencyKey: this.#key('many-'),
      },
      name: `create ${items.length} items`,
    });
  }

  /** The same captureId always comes with the same content, unless it is an upsert. */
  #item(): { captureId?: string; businessValue: number } & Record<string, unknown> {
    const random = this.#random;
    const poison = this.#poisons && random() < 0.03;
    if (poison) return { captureId: `poison-${Math.floor(random() * captureIds)}`, businessValue: 1 };
    if (random() < 0.5) {
      const number = Math.floor(random() * captureIds);
      return { captureId: sharedCaptureIds[number], businessValue: number % 40, ...place(number) };
    }
    const now = startAt + this.#kernel.now;
    return {
      businessValue: Math.floor(random() * 40),
      ...place(Math.floor(random() * 100)),
      ...(random() < 0.3 && { dueDateTime: iso(now + random() * 8000) }),
      ...(random() < 0.3 && { activationDateTime: iso(now + random() * 4000) }),
      ...(random() < 0.1 && { expirationDateTime: iso(now + random() * 6000) }),
      attributes: { note: 'x'.repeat(Math.floor(random() * 200)) },
    };
  }

  async #next(): Promise<void> {
    const request: Request = { op: 'next', agentId: this.name, idempotencyKey: this.#key(nextKey) };
    const reply = await this.#ask({ request, name: 'next' });
    if (!reply.rejected && reply.id !== undefined) this.#mine.push(reply.id);
  }

  async #finish(): Promise<void> {
    const id = take(this.#mine, this.#random);
    const name = pick(this.#random, [
      'complete',
      'complete',
      'complete',
      'hold',
      'unassign',
      'cancel',
      'reject',
    ] as const);
    const reply = await this.#command(name, id);
    if (name === 'hold' && id !== undefined && reply !== undefined && !reply.rejected) this.#held.push(id);
  }

  async #command(name: ItemCommandName, id: string | undefined): Promise<Reply | undefined> {
    if (id === undefined) return undefined;
    const agentId = name === 'assign' ? this.name : undefined;
    const said = name === 'reprioritize' ? this.#priority() : name === 'move' ? this.#category() : {};
    const request: Request = { op: 'command', name, id, idempotencyKey: this.#key(`${name}-`), agentId, ...said };
    return this.#ask({ request, name: `${name} ${id}` });
  }

  #priority(): { priority: number | null; until?: string } {
    const priority = pick(this.#random, [null, 0, 30, 60, 500, 500, 1 / 3]);
    if (priority === null || this.#random() < 0.3) return { priority };
    return { priority, until: iso(startAt + this.#kernel.now + this.#random() * 5000) };
  }

  #category(): { category: string } {
    return { category: pick(this.#random, ['urgent', 'plain', 'general', 'nowhere']) };
  }

  /** Any command on any item that it has made, legal or not. */
  async #meddle(): Promise<void> {
    if (this.#seen.length === 0) return;
    const often = ['hold', 'resume', 'reprioritize'] as const;
    const names = [...often, ...often, ...often, ...itemCommands] as const;
    await this.#command(pick(this.#random, names), pick(this.#random, this.#seen));
  }

  async #update(): Promise<void> {
    if (this.#seen.length === 0) return;
    const id = pick(this.#random, this.#seen);
    const body = encode({ businessValue: Math.floor(this.#random() * 60) });
    const request: Request = { op: 'update', id, body, idempotencyKey: this.#key('update-') };
    await this.#ask({ request, name: `update ${id}` });
  }

  async #get(): Promise<void> {
    const recent = this.#service.recentIds();
    if (recent.length === 0) return;
    const id = pick(this.#random, recent);
    const heardVersion = this.#service.heardVersion(id);
    await this.#ask({ request: { op: 'get', id }, name: `get ${id}`, heardVersion });
  }

  async #publish(): Promise<void> {
    const body = encode({ schemas: schemasOf(Math.floor(this.#random() * 12)) });
    await this.#ask({ request: { op: 'putSettings', kind: 'prioritization', body }, name: 'publish' });
  }

  async #ask(operation: Operation): Promise<Reply> {
    this.waitsFor = operation;
    for (;;) {
      const reply = await this.#service.attempt(operation);
      if (!isOpen(reply)) {
        this.waitsFor = undefined;
        this.#service.answered(operation, reply);
        return reply;
      }
      await this.#kernel.pause(exponential(this.#random, retryMs));
    }
  }
}

function place(number: number): Record<string, unknown> {
  return {
    ...(number % 3 === 0 && { customerSegment: 'gold' }),
    ...(number % 3 !== 0 && number % 5 === 0 && { departmentId: 'back' }),
  };
}

function take(ids: string[], random: () => number): string | undefined {
  return ids.splice(Math.floor(random() * ids.length), 1)[0];
}

const iso = (instant: number) => new Date(Math.floor(instant)).toISOString();
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

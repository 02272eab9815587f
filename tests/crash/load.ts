import { type Asked, PatientClient, readAnswer, readList, readOnly } from './client.js';
import type { Operation } from './history.js';
import type { HttpAnswer, HttpClient } from './http-client.js';
import type { Command } from './item-model.js';
import { categories, drawItem, type ItemBody, randomFrom } from './load-item.js';

/** An item that some client has seen: others may work on it too. */
interface KnownItem {
  id: string;
  body: ItemBody;
  /** As last seen by anybody, for If-Match. */
  version: number;
}

const knownMax = 4000;
const hot = 60;
/** Queued items that the load aims at: enough to choose among, few enough to sort them all for each decision. */
const queuedWanted = 120;
const bulkLinesMax = 12;
const listed = ['queued', 'assigned', 'held', 'scheduled', 'completed'] as const;
const listLimit = 8;

/** Weights of what a client with empty hands does next, while the queue is about as long as wanted. */
const weights: Record<'create' | 'doom' | 'bulk' | 'next' | 'get' | 'find' | 'list' | 'again' | Command, number> = {
  create: 26,
  doom: 1,
  bulk: 1,
  next: 34,
  get: 10,
  find: 1,
  list: 1,
  again: 3,
  update: 9,
  hold: 3,
  resume: 4,
  cancel: 1,
  reject: 1,
  restart: 2,
  activate: 1,
  assign: 2,
  unassign: 2,
  complete: 1,
  reprioritize: 4,
  move: 1,
  delete: 0,
};

/** What becomes of an item that a client was given. */
const endings: readonly [Command | 'keep', number][] = [
  ['complete', 0.76],
  ['hold', 0.08],
  ['unassign', 0.06],
  ['cancel', 0.03],
  ['update', 0.03],
  ['keep', 0.04],
];

/**
 * Clients that create, take, hold, complete and look at each other's items, as fast as they are answered. Each is an
 * agent. Their operations, as they end, are the history of the run.
 */
export class Load {
  readonly operations: Operation[] = [];
  /** Ends of answered requests, ascending, milliseconds: a bulk request is one. */
  readonly answeredAt: number[] = [];
  /** Requests that have no answer yet. */
  open = 0;
  readonly #http: HttpClient;
  readonly #random: () => number;
  readonly #known: KnownItem[] = [];
  #number = 0;
  #queued = 0;
  #stopping = false;
  #clients: Promise<void>[] = [];
  readonly #seed: number;

  constructor(http: HttpClient, seed: number) {
    this.#http = http;
    this.#seed = seed;
    this.#random = randomFrom(seed);
  }

  start(clients: number): void {
    this.#clients = Array.from({ length: clients }, (_, client) => this.#work(client));
  }

  /** Lets everybody finish what they have begun. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async #work(client: number): Promise<void> {
    const patient = new PatientClient(this.#http, randomFrom(this.#seed * 1000 + client));
    let inHand: KnownItem | undefined;
    while (!this.#stopping) {
      if (inHand !== undefined) {
        const ending = this.#drawEnding();
        if (ending !== 'keep') await this.#command(patient, client, ending, inHand);
        inHand = undefined;
        continue;
      }
      const action = this.#drawAction();
      if (action === 'list') await this.#list(patient, client);
      else if (action === 'bulk') await this.#bulk(patient, client);
      else if (action === 'create') await this.#create(patient, client);
      else if (action === 'doom') await this.#doom(patient, client);
      else if (action === 'next') inHand = await this.#next(patient, client);
      else {
        const item = this.#drawKnown();
        if (item === undefined) await this.#create(patient, client);
        else if (action === 'get' || action === 'find' || action === 'again')
          await this.#look(patient, client, action, item);
        else await this.#command(patient, client, action, item);
      }
    }
  }

  #drawEnding(): Command | 'keep' {
    let at = this.#random();
    for (const [ending, share] of endings) {
      at -= share;
      if (at < 0) return ending;
    }
    return 'complete';
  }

  #drawAction(): keyof typeof weights {
    if (this.#queued > 1.5 * queuedWanted) return 'next';
    const { create, bulk, next } = weights;
    const factor = this.#queued < 0.5 * queuedWanted ? 2 : 1;
    const own = { ...weights, create: create * factor, bulk: bulk * factor, next: next / factor };
    let at = this.#random() * Object.values(own).reduce((sum, weight) => sum + weight, 0);
    for (const [action, weight] of Object.entries(own)) {
      at -= weight;
      if (at < 0) return action as keyof typeof weights;
    }
    return 'get';
  }

  /** Mostly one of the newest, which others want as well at this moment. */
  #drawKnown(): KnownItem | undefined {
    const { length } = this.#known;
    const among = this.#random() < 0.7 ? Math.min(hot, length) : length;
    return this.#known[length - 1 - Math.floor(this.#random() * among)];
  }

  #begin(client: number, action: Operation['action'], more: Partial<Operation> = {}): Operation {
    const now = performance.now();
    const number = ++this.#number;
    return { number, client, action, call: now, lastCall: now, ret: null, attempts: 0, doubtful: 0, ...more };
  }

  /** Asks until it is answered or given up. */
  async #carryOut(
    patient: PatientClient,
    operation: Operation,
    asked: Asked,
    isWhole?: (answer: HttpAnswer) => boolean,
  ): Promise<HttpAnswer | undefined> {
    this.open++;
    const http = await patient.carryOut(operation, asked, isWhole);
    this.open--;
    if (http !== undefined) this.answeredAt.push(operation.ret as number);
    return http;
  }

  async #create(patient: PatientClient, client: number): Promise<void> {
    const operation = this.#begin(client, 'create');
    const body = this.#newItem(operation);
    // Half rely on the captureId alone.
    if (this.#random() < 0.5) operation.key = `create-${operation.number}`;
    const http = await this.#carryOut(patient, operation, { method: 'POST', path: '/workitems', body });
    this.#end(operation, http, body);
  }

  /**
   * Makes an item and deletes it after a while in which others may take it. Nobody else knows its captureId: that would
   * be free afterwards, and who created it again would have another item.
   */
  async #doom(patient: PatientClient, client: number): Promise<void> {
    const create = this.#begin(client, 'create');
    create.key = `create-${create.number}`;
    const body = this.#newItem(create);
    this.#end(create, await this.#carryOut(patient, create, { method: 'POST', path: '/workitems', body }));
    if (create.answer?.kind !== 'done') return;
    const item = { id: create.answer.id, body, version: create.answer.seen.version };
    if (this.#random() < 0.5) await this.#command(patient, client, 'reprioritize', item);
    const operation = this.#begin(client, 'delete', { captureId: body.captureId, id: item.id });
    operation.key = `delete-${operation.number}`;
    const asked = { method: 'DELETE', path: `/workitems/${item.id}` };
    const http = await this.#carryOut(patient, operation, asked);
    this.#end(operation, http);
    if (http?.status === 204) operation.answer = { kind: 'deleted', id: item.id };
  }

  #newItem(operation: Operation): ItemBody {
    const body = drawItem(this.#random, `capture-${operation.number}`, operation.number);
    operation.captureId = body.captureId;
    operation.activationAt = monotonicOf(body.activationDateTime);
    operation.expirationAt = monotonicOf(body.expirationDateTime);
    return body;
  }

  async #bulk(patient: PatientClient, client: number): Promise<void> {
    const request = this.#begin(client, 'create');
    const keyed = this.#random() < 0.5;
    if (keyed) request.key = `bulk-${request.number}`;
    const lines = Array.from({ length: 2 + Math.floor(this.#random() * (bulkLinesMax - 1)) }, (_, line) => {
      const operation = this.#begin(client, 'create', keyed ? { key: `${request.key}#${line}` } : {});
      return { operation, body: this.#newItem(operation) };
    });
    const asked = { method: 'POST', path: '/workitems/bulk', body: lines.map(({ body }) => body) };
    const http = await this.#carryOut(patient, request, asked, (answer) => resultsOf(answer).every(isAccepted));
    const results = http?.status === 200 ? resultsOf(http) : [];
    lines.forEach(({ operation, body }, line) => {
      const { call, lastCall, ret, attempts, doubtful } = request;
      Object.assign(operation, { call, lastCall, ret, attempts, doubtful });
      const result = results[line];
      if (result?.id !== undefined) {
        operation.id = result.id;
        operation.answer = { kind: 'line', status: result.status, id: result.id };
        this.#note({ id: result.id, body, version: 1 });
        this.#queued++;
      } else if (http !== undefined)
        operation.answer = { kind: 'faulty', detail: `${http.status} ${http.body.slice(0, 300)}` };
      this.operations.push(operation);
    });
  }

  async #next(patient: PatientClient, client: number): Promise<KnownItem | undefined> {
    const operation = this.#begin(client, 'next', { agent: `agent-${client}` });
    operation.key = `next-${operation.number}`;
    const body = { agentId: operation.agent };
    const http = await this.#carryOut(patient, operation, { method: 'POST', path: '/workitems/next', body });
    this.#end(operation, http);
    if (operation.answer?.kind === 'none') this.#queued = 0;
    if (operation.answer?.kind !== 'done' || http === undefined) return undefined;
    this.#queued--;
    return { id: operation.answer.id, body: JSON.parse(http.body) as ItemBody, version: operation.answer.seen.version };
  }

  async #look(
    patient: PatientClient,
    client: number,
    action: 'get' | 'find' | 'again',
    item: KnownItem,
  ): Promise<void> {
    const { id, body } = item;
    const operation = this.#begin(client, action, { captureId: body.captureId, id });
    const asked = {
      get: { method: 'GET', path: `/workitems/${id}` },
      find: { method: 'GET', path: `/workitems?captureId=${body.captureId}` },
      again: { method: 'POST', path: '/workitems', body },
    };
    const http = await this.#carryOut(patient, operation, asked[action]);
    if (action === 'find' && http !== undefined) {
      operation.answer = readOnly(http);
      this.operations.push(operation);
    } else this.#end(operation, http);
    if (operation.answer?.kind === 'done') item.version = operation.answer.seen.version;
  }

  /** Each item of the list is looked at once: the history gets an operation for each. */
  async #list(patient: PatientClient, client: number): Promise<void> {
    const asked = this.#begin(client, 'find');
    const status = listed[Math.floor(this.#random() * listed.length)];
    const path = `/workitems?status=${status}&limit=${listLimit}`;
    const http = await this.#carryOut(patient, asked, { method: 'GET', path });
    const list = http === undefined ? { kind: 'none' as const } : readList(http);
    if ('kind' in list) this.operations.push({ ...asked, answer: list });
    else for (const item of list) this.operations.push({ ...asked, ...item });
  }

  async #command(patient: PatientClient, client: number, command: Command, item: KnownItem): Promise<void> {
    const { id, body } = item;
    const operation = this.#begin(client, command, { captureId: body.captureId, id });
    // To where it is already a move is nothing, and leaves no key.
    if (command !== 'move') operation.key = `${command}-${operation.number}`;
    if (this.#random() < 0.1) operation.ifMatch = item.version;
    const headers = operation.ifMatch === undefined ? undefined : { 'if-match': `"${operation.ifMatch}"` };
    const asked = { ...this.#askedFor(command, operation, id), headers };
    this.#end(operation, await this.#carryOut(patient, operation, asked));
    if (operation.answer?.kind !== 'done') return;
    item.version = operation.answer.seen.version;
    if (operation.answer.seen.status === 'queued' && command !== 'update') this.#queued++;
  }

  #askedFor(command: Command, operation: Operation, id: string): Asked {
    if (command === 'update') {
      const businessValue = Math.floor(this.#random() * 4) * 10;
      const body = { businessValue, attributes: { mark: operation.number } };
      return { method: 'PATCH', path: `/workitems/${id}`, body };
    }
    const path = `/workitems/${id}/${command}`;
    if (command === 'reprioritize') return { method: 'POST', path, body: this.#priority() };
    if (command === 'move') return { method: 'POST', path, body: { category: this.#pickCategory() } };
    if (command !== 'assign') return { method: 'POST', path };
    operation.agent = `agent-${operation.client}`;
    return { method: 'POST', path, body: { agentId: operation.agent } };
  }

  #priority(): { priority: number; until?: string } {
    const priority = [-10, 0, 50, 100, 1000][Math.floor(this.#random() * 5)]!;
    if (this.#random() < 0.3) return { priority };
    return { priority, until: new Date(Date.now() + 200 + this.#random() * 3000).toISOString() };
  }

  #pickCategory(): string {
    return categories[Math.floor(this.#random() * categories.length)]!.id;
  }

  /** Notes the answer, if there is one, and the operation in the history. */
  #end(operation: Operation, http: HttpAnswer | undefined, created?: ItemBody): void {
    this.operations.push(operation);
    if (http === undefined) return;
    const { answer, captureId } = readAnswer(http);
    operation.answer = answer;
    operation.captureId ??= captureId;
    if (answer.kind !== 'done') return;
    operation.id = answer.id;
    if (created === undefined) return;
    this.#note({ id: answer.id, body: created, version: answer.seen.version });
    this.#queued++;
  }

  #note(item: KnownItem): void {
    this.#known.push(item);
    if (this.#known.length > knownMax) this.#known.splice(0, knownMax / 2);
  }
}

function monotonicOf(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : Date.parse(instant) - performance.timeOrigin;
}

interface LineResult {
  id?: string;
  status: number;
}

function resultsOf({ body }: HttpAnswer): LineResult[] {
  return (JSON.parse(body) as { results: LineResult[] }).results;
}

function isAccepted({ status }: LineResult): boolean {
  return status === 200 || status === 201;
}

import { PatientClient, readAnswer } from '../crash/client.js';
import type { Operation } from '../crash/history.js';
import type { HttpClient } from '../crash/http-client.js';
import { randomFrom } from '../crash/load-item.js';

/** `create`: items come in, nobody takes them. `cycle`: each client creates, takes the best item and completes it. */
export type PlainWork = 'create' | 'cycle';

/**
 * A load without timers and without surprises, for scenarios that the crash harness' load does not suit: clocks that
 * jump, queues of 200,000 items. Its operations can be judged all the same.
 */
export class PlainLoad {
  readonly operations: Operation[] = [];
  /** Ends of answered operations, ascending, milliseconds. */
  readonly answeredAt: number[] = [];
  open = 0;
  readonly #http: HttpClient;
  readonly #work: PlainWork;
  readonly #prefix: string;
  #number: number;
  #stopping = false;
  #clients: Promise<void>[] = [];

  /** @param firstNumber of its operations: two loads on one system must not share numbers. */
  constructor(http: HttpClient, work: PlainWork, firstNumber = 0) {
    this.#http = http;
    this.#work = work;
    this.#number = firstNumber;
    this.#prefix = `plain-${firstNumber}`;
  }

  start(clients: number): void {
    this.#clients = Array.from({ length: clients }, (_, client) => this.#run(client));
  }

  /** Lets everybody finish what they have begun. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  /** Resolves with the time of the first answer after `since`. */
  async answeredAfter(since: number): Promise<number> {
    for (;;) {
      const at = this.answeredAt.findLast((time) => time > since);
      if (at !== undefined) return this.answeredAt.find((time) => time > since) ?? at;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #run(client: number): Promise<void> {
    const patient = new PatientClient(this.#http, randomFrom(this.#number * 1000 + client));
    while (!this.#stopping) {
      await this.#create(patient, client);
      if (this.#work === 'create') continue;
      const taken = await this.#next(patient, client);
      if (taken !== undefined) await this.#complete(patient, client, taken);
    }
  }

  async #create(patient: PatientClient, client: number): Promise<void> {
    const operation = this.#begin(client, 'create');
    const captureId = `${this.#prefix}-${operation.number}`;
    operation.captureId = captureId;
    const body = {
      captureId,
      businessValue: operation.number % 7,
      attributes: { kind: 'rising', mark: operation.number },
    };
    await this.#carryOut(patient, operation, '/workitems', body);
  }

  async #next(patient: PatientClient, client: number): Promise<Operation | undefined> {
    const agent = `agent-${client}`;
    const operation = this.#begin(client, 'next');
    Object.assign(operation, { agent, key: `${this.#prefix}-next-${operation.number}` });
    await this.#carryOut(patient, operation, '/workitems/next', { agentId: agent });
    return operation.answer?.kind === 'done' ? operation : undefined;
  }

  async #complete(patient: PatientClient, client: number, { captureId, id }: Operation): Promise<void> {
    const operation = this.#begin(client, 'complete');
    Object.assign(operation, { captureId, id, key: `${this.#prefix}-complete-${operation.number}` });
    await this.#carryOut(patient, operation, `/workitems/${id}/complete`);
  }

  #begin(client: number, action: Operation['action']): Operation {
    const now = performance.now();
    const number = ++this.#number;
    return { number, client, action, call: now, lastCall: now, ret: null, attempts: 0, doubtful: 0 };
  }

  async #carryOut(patient: PatientClient, operation: Operation, path: string, body?: unknown): Promise<void> {
    this.open++;
    const http = await patient.carryOut(operation, { method: 'POST', path, body });
    this.open--;
    this.operations.push(operation);
    if (http === undefined) return;
    this.answeredAt.push(operation.ret as number);
    const { answer, captureId } = readAnswer(http);
    operation.answer = answer;
    operation.captureId ??= captureId;
    if (answer.kind === 'done') operation.id = answer.id;
  }
}

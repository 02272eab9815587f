import { filled, type Row } from './access-cells.js';
import type { Reply } from './provisioning-call.js';

type Ask = (row: { method: string; path: string; media: string | undefined }, body: unknown) => Promise<Reply>;

/** Texts that no answer to another tenant may hold. */
export const canaryOf = (tenant: string): string => `canary-${tenant}`;

/**
 * Makes things for paths with a name in them: what stands before the name is the collection. `POST` to it with the
 * documented example makes one; where there is no such thing, `PUT` to a name of our own does.
 */
export class Objects {
  readonly #rows: readonly Row[];
  readonly #ask: Ask;
  readonly #tenant: string;
  #count = 0;

  constructor(rows: readonly Row[], tenant: string, ask: Ask) {
    this.#rows = rows;
    this.#tenant = tenant;
    this.#ask = ask;
  }

  /** The name of a new thing for this path; undefined when nothing in the API makes one. */
  async make(path: string): Promise<string | undefined> {
    const collection = path.slice(0, path.indexOf('/{'));
    // A person who has items: naming them is all that it takes.
    if (collection === '/subjects') return this.#subject();
    const makes = this.#rows.find(
      ({ method, path: one, statuses }) =>
        method === 'POST' && one === collection && (statuses.has('201') || statuses.has('202')),
    );
    if (makes) return this.#post(makes);
    const puts = this.#rows.find(
      ({ method, path: one }) => method === 'PUT' && one.replace(/\{\w+\}$/, '') === `${collection}/`,
    );
    return puts && this.#put(puts);
  }

  async #post(row: Row): Promise<string> {
    const reply = await this.#ask(row, this.#marked(row.body));
    if (reply.status !== 201 && reply.status !== 202) throw new Error(`${row.id} made nothing: ${reply.text}`);
    return String(reply.body.id);
  }

  async #put(row: Row): Promise<string> {
    const name = this.#mark();
    const reply = await this.#ask({ ...row, path: filled(row.path, name) }, row.body);
    if (reply.status !== 200 && reply.status !== 201) throw new Error(`${row.id} made nothing: ${reply.text}`);
    return name;
  }

  async #subject(): Promise<string> {
    const customerId = this.#mark();
    const item = { method: 'POST', path: '/workitems', media: 'application/json' };
    await this.#ask(item, { captureId: this.#mark(), customerId });
    return customerId;
  }

  /** The example with names of its own, by which it is told from all others, and its tenant's things from others'. */
  #marked(example: Record<string, unknown>): Record<string, unknown> {
    // Hashing a password takes a third of a second, and who is made here never signs in.
    const { password: _password, ...rest } = example;
    const marks = Object.keys(rest).filter((key) => ['name', 'captureId', 'customerId'].includes(key));
    return { ...rest, ...Object.fromEntries(marks.map((key) => [key, this.#mark()])) };
  }

  #mark(): string {
    this.#count += 1;
    return `${canaryOf(this.#tenant)}-${this.#count}`;
  }
}

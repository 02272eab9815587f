import { faultsMax } from './limits.js';
import type { Fault, RejectionCode } from './rejection.js';

const idPattern = /^[A-Za-z0-9_.-]{1,64}$/;

type Json = Record<string, unknown>;

/** What the checks of settings documents have in common: they gather every fault, each with its pointer. */
export class DocumentCheck {
  readonly faults: Fault[] = [];
  private readonly ids = new Set<string>();

  /** An id that no other entry of the document has; `what` says in words what an entry is. */
  protected id(id: unknown, pointer: string, what: string): void {
    if (id === undefined) return;
    if (typeof id !== 'string' || !idPattern.test(id)) {
      this.add(pointer, 'invalid-value', 'An id is 1 to 64 letters, digits, or any of _ . -');
    } else if (this.ids.has(id)) {
      this.add(pointer, 'invalid-value', `The id "${id}" is used by an earlier ${what}; ids are unique`);
    } else this.ids.add(id);
  }

  protected oneOf(value: unknown, pointer: string, allowed: readonly string[]): void {
    if (value === undefined || allowed.includes(value as string)) return;
    this.add(pointer, 'invalid-value', `One of ${allowed.join(', ')} is expected`);
  }

  protected array(value: unknown, pointer: string, min: number, max: number): value is unknown[] {
    if (value === undefined) return false;
    if (Array.isArray(value) && value.length >= min && value.length <= max) return true;
    this.add(pointer, 'invalid-value', `An array of ${min} to ${max} entries is expected`);
    return false;
  }

  /** Without `known`, any field may stand in the object. */
  protected object(value: unknown, pointer: string, known?: string[], required: string[] = []): value is Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.add(pointer, 'invalid-value', 'An object is expected');
      return false;
    }
    for (const field of Object.keys(value)) {
      if (known === undefined || known.includes(field)) continue;
      const here = `${pointer}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      this.add(here, 'unknown-field', `Not a field here; known are ${known.join(', ')}`);
    }
    for (const field of required) {
      if ((value as Json)[field] === undefined)
        this.add(`${pointer}/${field}`, 'missing-field', `"${field}" is required`);
    }
    return true;
  }

  protected add(pointer: string, code: RejectionCode, detail: string): void {
    if (this.faults.length < faultsMax) this.faults.push({ pointer, code, detail });
  }
}

/** What the requests of a load are made of. */
export interface BodySpec {
  apiKey: string;
  /** Where single items or arrays of them are posted; for takes, the path of the work items. */
  path: string;
  /** 1: the body is one object; more: an array. */
  itemsPerRequest: number;
  /** Number that goes into the first captureId. */
  firstItem: number;
}

/** Bytes of one item's JSON text; what a source sends for one service request, its description included. */
export const itemBytes = 1024;
/** Digits of the number in a captureId, overwritten in place. */
const digits = 9;
const zero = 0x30;

const complaintTypes = ['Noise - Residential', 'Illegal Parking', 'HEAT/HOT WATER', 'Street Condition', 'Rodent'];
const agencies = ['NYPD', 'NYPD', 'HPD', 'DOT', 'DOHMH'];

/** One item of exactly `itemBytes` bytes, its number all zeros. */
export function itemText(kind: number): string {
  const item = {
    captureId: `bench-${'0'.repeat(digits)}`,
    businessValue: 100 + kind * 137,
    customerSegment: kind % 2 === 0 ? 'phone' : 'online',
    departmentId: agencies[kind % agencies.length],
    processId: 'service-request',
    channel: 'web',
    attributes: {
      complaintType: complaintTypes[kind % complaintTypes.length],
      descriptor: 'As reported',
      borough: 'BROOKLYN',
      location: { street: 'ATLANTIC AVENUE', zip: '11238', latitude: 40.6803, longitude: -73.9646 },
      description: '',
    },
  };
  const missing = itemBytes - JSON.stringify(item).length;
  item.attributes.description = 'The caller says that it happens again. '.repeat(30).slice(0, missing);
  return JSON.stringify(item);
}

/**
 * Whole HTTP requests, one buffer a connection, made once: for the next request only the digits of the captureIds
 * change, so that the generator costs next to nothing. A buffer is free again when its answer has come.
 */
export class ItemBodies {
  readonly takeNext: string;
  readonly #spec: BodySpec;
  readonly #buffers = new Map<object, { bytes: Buffer; numberAt: number[] }>();
  #nextItem: number;

  constructor(spec: BodySpec) {
    this.#spec = spec;
    this.#nextItem = spec.firstItem;
    this.takeNext = this.#request(`${spec.path}/next`, '{"agentId":"bench-agent"}');
  }

  get nextItem(): number {
    return this.#nextItem;
  }

  complete(id: string): string {
    return this.#request(`${this.#spec.path}/${id}/complete`, '{}');
  }

  /** The next request of this connection, with numbers that no other has. */
  next(line: object): Buffer {
    let buffer = this.#buffers.get(line);
    if (buffer === undefined) {
      buffer = this.#make(this.#buffers.size);
      this.#buffers.set(line, buffer);
    }
    for (const at of buffer.numberAt) writeNumber(buffer.bytes, at, this.#nextItem++);
    return buffer.bytes;
  }

  #make(kind: number): { bytes: Buffer; numberAt: number[] } {
    const count = this.#spec.itemsPerRequest;
    const texts = Array.from({ length: count }, (_, at) => itemText((kind + at) % complaintTypes.length));
    const bytes = Buffer.from(this.#request(this.#spec.path, count === 1 ? texts[0]! : `[${texts.join(',')}]`));
    const numberAt: number[] = [];
    for (let at = bytes.indexOf('"bench-0'); at >= 0; at = bytes.indexOf('"bench-0', at + 1)) numberAt.push(at + 7);
    return { bytes, numberAt };
  }

  #request(path: string, body: string): string {
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${this.#spec.apiKey}\r\n`;
    return `${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  }
}

function writeNumber(bytes: Buffer, at: number, value: number): void {
  for (let place = at + digits - 1, rest = value; place >= at; place--) {
    bytes[place] = zero + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

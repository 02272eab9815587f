import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import type { DatabaseAddress, Registration } from '../actors/ports/tenant-directory.js';
import type { TenantQuotas } from '../actors/ports.js';
import { type Fault, isRejection, type Rejection, type RejectionCode, reject } from '../engine/rejection.js';

/** More fields than the body has: every fault is told. */
const faultsMax = 64;
const textLengthMax = 1024;
/** Postgres cuts longer names off. */
const nameBytesMax = 63;

const idShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** The keys travel in a header; what is shorter than this can be guessed. */
const keyShape = /^[\x21-\x7e]{16,256}$/;
const hostShape = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$/;
const unstorable = /[\0\p{Surrogate}]/u;

/** Which hosts a tenant's database may have: exact names, or endings that begin with a dot; undefined: any. */
export type DatabaseHosts = readonly string[] | undefined;

/**
 * Reads the provisioning body. Faults are collected and told all at once, each by its pointer; none repeats a value, for
 * it may be a secret. Both spellings are read where the guide has two.
 */
export function readRegistration(bytes: Uint8Array, hosts: DatabaseHosts): Registration | Rejection {
  const body = parse(bytes);
  if (isRejection(body)) return body;
  const faults: Fault[] = [];
  const root = new Fields(body, '', faults);
  const tenant = root.object('tenant');
  const iwd = root.object('iwd');
  const iwdEmail = root.object('iwdEmail');
  const registration: Registration = {
    id: tenant.text(['ccid'], idText),
    shortId: tenant.text(['id']),
    name: tenant.text(['name']),
    apiKey: tenant.text(['apiKey', 'apikey']),
    ...(tenant.has('gws') && { gws: readGws(tenant.object('gws')) }),
    iwd: { url: iwd.text(['url'], urlText), ...readDatabase(iwd.object('db'), hosts) },
    iwdEmail: { url: iwdEmail.text(['url'], urlText) },
    keys: readKeys(iwd.object('apiKeys')),
    ...(iwd.has('quotas') && { quotas: readQuotas(iwd.object('quotas')) }),
  };
  for (const fields of [root, tenant, iwd, iwdEmail]) fields.end();
  return faults.length === 0 ? registration : rejectionOf(faults);
}

function parse(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) return reject('invalid-json', 'The body is not valid UTF-8.');
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    // The parser's message would repeat parts of the body.
    return reject('invalid-json', 'The body is not valid JSON.');
  }
}

function rejectionOf(faults: Fault[]): Rejection {
  const told = faults.slice(0, faultsMax);
  const detail = told.length === 1 ? told[0]!.detail : `The body has ${faults.length} faults; errors lists them.`;
  return reject(told[0]!.code, detail, { faults: told });
}

function readGws(gws: Fields): NonNullable<Registration['gws']> {
  const data = gws.object('data', 'optional');
  const secret = gws.object('secret', 'optional');
  const config = defined({
    gwsUrl: gws.optionalText(['gwsUrl'], urlText),
    authUrl: data.optionalText(['authUrl'], urlText),
    authRedirectUrl: data.optionalText(['authRedirectUrl', 'authredircetUrl', 'authredirectUrl'], urlText),
  });
  const secrets = defined({
    clientId: secret.optionalText(['clientId']),
    clientSecret: secret.optionalText(['clientSecret']),
    apikey: secret.optionalText(['apikey', 'apiKey']),
    username: secret.optionalText(['username']),
    token: secret.optionalText(['token']),
  });
  for (const fields of [gws, data, secret]) fields.end();
  return { config, secrets };
}

function readDatabase(db: Fields, hosts: DatabaseHosts): { db: DatabaseAddress; password: string } {
  const address = {
    host: db.text(['host'], hostText(hosts)).toLowerCase(),
    port: db.number('port', 1, 65_535),
    database: db.text(['database'], nameText),
    user: db.text(['user'], nameText),
    ssl: db.boolean('ssl'),
  };
  // The folder of a socket is a path, and those know capitals.
  if (address.host.startsWith('/')) address.host = db.text(['host']);
  const password = db.text(['password']);
  db.end();
  return { db: address, password };
}

function readKeys(keys: Fields): Registration['keys'] {
  const tenantKey = keys.text(['IWD_APIKEY_TENANT'], keyText);
  const martKey = keys.optionalText(['IWD_APIKEY_IWDDM'], keyText);
  if (martKey !== undefined && martKey === tenantKey)
    keys.fault('IWD_APIKEY_IWDDM', 'invalid-value', 'must be another key than IWD_APIKEY_TENANT');
  keys.end();
  return { IWD_APIKEY_TENANT: tenantKey, ...(martKey !== undefined && { IWD_APIKEY_IWDDM: martKey }) };
}

function readQuotas(quotas: Fields): TenantQuotas {
  const names = ['requestsPerSecond', 'openItems', 'payloadBytes', 'queueDepth'] as const;
  const given = names.filter((name) => quotas.has(name));
  const read = Object.fromEntries(given.map((name) => [name, quotas.number(name, 0, Number.MAX_SAFE_INTEGER)]));
  quotas.end();
  return read;
}

function defined(fields: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** What a text must be, and the words for it. */
interface TextRule {
  expected: string;
  isFine(text: string): boolean;
}

const anyText: TextRule = {
  expected: `a text of 1 to ${textLengthMax} characters that can be stored`,
  isFine: (text) => text.length >= 1 && text.length <= textLengthMax && !unstorable.test(text),
};
const idText: TextRule = {
  expected: 'an id of letters, digits, ".", "_" and "-", at most 64, beginning with a letter or a digit',
  isFine: (text) => idShape.test(text),
};
const keyText: TextRule = {
  expected: 'a key of 16 to 256 printable ASCII characters without spaces',
  isFine: (text) => keyShape.test(text),
};
const urlText: TextRule = {
  expected: 'an http or https URL without a password, or "N/A"',
  isFine: (text) => text === 'N/A' || (anyText.isFine(text) && isUrl(text)),
};
const nameText: TextRule = {
  expected: `a name of 1 to ${nameBytesMax} bytes`,
  isFine: (text) => anyText.isFine(text) && Buffer.byteLength(text) <= nameBytesMax,
};

function isUrl(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}

function hostText(hosts: DatabaseHosts): TextRule {
  return {
    expected: hosts
      ? `one of the hosts that this server allows: ${hosts.join(', ')}`
      : 'a host name, an address, or a path',
    isFine: (text) => isHost(text) && (hosts === undefined || isAllowed(text.toLowerCase(), hosts)),
  };
}

function isHost(text: string): boolean {
  if (text.startsWith('/')) return anyText.isFine(text) && !text.includes('..');
  return isIP(text) !== 0 || hostShape.test(text);
}

function isAllowed(host: string, hosts: readonly string[]): boolean {
  return hosts.some((one) => host === one || (one.startsWith('.') && host.endsWith(one)));
}

type Need = 'required' | 'optional';

/** One object of the body: reads its members and keeps which were asked for, so that `end` can tell of the others. */
class Fields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #pointer: string;
  readonly #faults: Fault[];
  readonly #known = new Set<string>();

  constructor(value: unknown, pointer: string, faults: Fault[], need: Need = 'required') {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    this.#value = isObject ? (value as Record<string, unknown>) : {};
    this.#pointer = pointer;
    this.#faults = faults;
    if (isObject || (value === undefined && need === 'optional')) return;
    if (value === undefined) this.#add(pointer, 'missing-field', `${pointer.slice(1)} is required: an object.`);
    else this.#add(pointer, 'invalid-value', `${pointer.slice(1) || 'The body'} must be an object.`);
  }

  has(name: string): boolean {
    this.#known.add(name);
    return this.#own(name) !== undefined;
  }

  object(name: string, need: Need = 'required'): Fields {
    this.#known.add(name);
    return new Fields(this.#own(name), `${this.#pointer}/${name}`, this.#faults, need);
  }

  /** Under any of the names; the first one is what a fault is told by. */
  text(names: readonly [string, ...string[]], rule: TextRule = anyText): string {
    const text = this.optionalText(names, rule);
    if (text === undefined && this.#given(names) === undefined) this.#missing(names[0], rule.expected);
    return text ?? '';
  }

  optionalText(names: readonly [string, ...string[]], rule: TextRule = anyText): string | undefined {
    for (const name of names) this.#known.add(name);
    const given = this.#given(names);
    if (given === undefined) return undefined;
    const value = this.#own(given);
    if (names.some((name) => this.#own(name) !== undefined && this.#own(name) !== value)) {
      this.fault(given, 'invalid-value', `differs from its other spelling (${names.join(', ')})`);
    } else if (typeof value === 'string' && rule.isFine(value)) return value;
    else this.fault(given, 'invalid-value', `must be ${rule.expected}`);
    return undefined;
  }

  number(name: string, min: number, max: number): number {
    this.#known.add(name);
    const [value, expected] = [this.#own(name), `a whole number from ${min} to ${max}`];
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    if (value === undefined) this.#missing(name, expected);
    else this.fault(name, 'invalid-value', `must be ${expected}`);
    return 0;
  }

  boolean(name: string): boolean {
    this.#known.add(name);
    const value = this.#own(name);
    if (value === undefined) this.#missing(name, 'true or false');
    else if (typeof value !== 'boolean') this.fault(name, 'invalid-value', 'must be true or false');
    return value === true;
  }

  fault(name: string, code: RejectionCode, words: string): void {
    const pointer = `${this.#pointer}/${name}`;
    this.#add(pointer, code, `${pointer.slice(1)} ${words}.`);
  }

  /** A misspelt optional field that is silently dropped would be missed much later. */
  end(): void {
    for (const name of Object.keys(this.#value)) {
      if (this.#known.has(name)) continue;
      const pointer = `${this.#pointer}/${name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')}`;
      this.#add(pointer, 'unknown-field', `${JSON.stringify(name.slice(0, 64))} is not known here.`);
    }
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }

  #given(names: readonly string[]): string | undefined {
    return names.find((name) => this.#own(name) !== undefined);
  }

  #missing(name: string, expected: string): void {
    this.fault(name, 'missing-field', `is required: ${expected}`);
  }

  #add(pointer: string, code: RejectionCode, detail: string): void {
    this.#faults.push({ pointer, code, detail });
  }
}

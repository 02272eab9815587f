import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { ProblemError } from './problem.js';

export interface Strength {
  /** N = 2^ln. */
  ln: number;
  r: number;
  p: number;
}

/**
 * Passwords as scrypt hashes in the PHC format, `$scrypt$ln=15,r=8,p=3$salt$hash`: N = 2^15, r = 8, p = 3, that is 32 MB
 * and about 0.3 s of one core for each guess (the strength that OWASP asks for, in the shape with the least memory).
 */
export const standardStrength: Strength = { ln: 15, r: 8, p: 3 };
const saltBytes = 16;
const hashBytes = 32;

export const passwordLengthMin = 12;
export const passwordLengthMax = 256;

/** Hashes at once: each takes a thread of the pool that files and names are looked up with, and 32 MB. */
const runningMax = 2;
/** Beyond it a sign-in waits some seconds, and its client would try again. */
const waitingMax = 32;

let running = 0;
const waiting: (() => void)[] = [];

/** Hashes passwords, and tells whether one is the one behind a hash, which keeps its own strength and salt. */
export class Passwords {
  readonly #strength: Strength;
  /** Of no password: its hash is not one that a text leads to, as far as anybody can find out. */
  readonly #nobody: string;

  /** @param strength other than the standard one only in tests, which would take minutes. */
  constructor(strength: Strength = standardStrength) {
    this.#strength = strength;
    this.#nobody = format(strength, Buffer.alloc(saltBytes), Buffer.alloc(hashBytes));
  }

  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    return format(this.#strength, salt, await derive(password, salt, this.#strength));
  }

  /**
   * Takes as long whether there is a hash or not, so that a refusal does not tell who is known here.
   * @param stored undefined: nobody of that name, or nobody who has a password.
   */
  async isRight(password: string, stored: string | undefined): Promise<boolean> {
    const { salt, hash, ...strength } = parse(stored ?? this.#nobody);
    const same = timingSafeEqual(await derive(password, salt, strength), hash);
    return same && stored !== undefined;
  }
}

function format({ ln, r, p }: Strength, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${text(salt)}$${text(hash)}`;
}

const shape = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]{22})\$([\w+/]{43})$/;

function parse(stored: string): Strength & { salt: Buffer; hash: Buffer } {
  const [, ln, r, p, salt, hash] = shape.exec(stored) ?? [];
  if (hash === undefined) throw new Error('a stored password is not in the format of this release');
  return {
    ln: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt!, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

function text(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

async function derive(password: string, salt: Buffer, { ln, r, p }: Strength): Promise<Buffer> {
  await enter();
  try {
    const N = 2 ** ln;
    // Twice what the algorithm needs: Node counts a little more than 128 * N * r.
    const options = { N, r, p, maxmem: 256 * N * r };
    return await new Promise((resolve, reject) =>
      scrypt(password.normalize('NFC'), salt, hashBytes, options, (error, key) =>
        error ? reject(error) : resolve(key),
      ),
    );
  } finally {
    leave();
  }
}

async function enter(): Promise<void> {
  if (running < runningMax) {
    running += 1;
    return;
  }
  if (waiting.length >= waitingMax) throw new ProblemError(tooMany);
  // Whoever leaves hands its place over, so `running` stays.
  await new Promise<void>((resolve) => waiting.push(resolve));
}

function leave(): void {
  const next = waiting.shift();
  if (next) next();
  else running -= 1;
}

const tooMany = {
  code: 'overloaded',
  detail: 'Too many people sign in right now; try again in a moment.',
  retryAfterSeconds: 5,
} as const;

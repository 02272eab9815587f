import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import { type Fault, type RejectionCode, reject } from '../engine/rejection.js';
import { ProblemError } from './problem.js';

/** Faults of one document that an answer lists. */
const faultsMax = 20;

/** Parses a command's body, at most `commandBytesMax` bytes of it. Its shape is flat: nothing here recurses. */
export function parseSmallBody(
  _request: FastifyRequest,
  bytes: Buffer,
  done: (error: Error | null, body?: unknown) => void,
): void {
  const body = bytes.length === 0 ? {} : parse(bytes);
  if (body instanceof ProblemError) done(body);
  else done(null, body);
}

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return new ProblemError(reject('invalid-json', 'The body is not valid UTF-8.'));
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's message would repeat parts of the body.
    return new ProblemError(reject('invalid-json', 'The body is not valid JSON.'));
  }
}

/** Turns what Ajv found into faults with our codes and JSON pointers. */
export function schemaProblem(errors: FastifySchemaValidationError[]): ProblemError {
  const faults = errors.slice(0, faultsMax).map(faultOf);
  return new ProblemError(reject(faults[0]!.code, faults[0]!.detail, { faults }));
}

function faultOf({ keyword, instancePath, params, message }: FastifySchemaValidationError): Fault {
  switch (keyword) {
    case 'required':
      return at(
        `${instancePath}/${String(params.missingProperty)}`,
        'missing-field',
        `${String(params.missingProperty)} is required.`,
      );
    case 'additionalProperties': {
      const name = String(params.additionalProperty).slice(0, 64);
      return at(
        `${instancePath}/${escapePointer(name)}`,
        'unknown-field',
        `Field ${JSON.stringify(name)} is not known here.`,
      );
    }
    case 'pattern':
      return at(instancePath, 'unsafe-text', 'The text holds characters that cannot be stored.');
    default:
      return at(instancePath, 'invalid-value', `The value ${message ?? 'is not what is expected here'}.`);
  }
}

function at(pointer: string, code: RejectionCode, detail: string): Fault {
  return { pointer, code, detail };
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

import { checkContent, decodeBody } from '../engine/content.js';
import { type Fault, isRejection, type Rejection, reject } from '../engine/rejection.js';
import { exportedIntake } from '../services/intake/exported-record.js';
import { compileMapping } from '../services/intake/mapping.js';
import { mappedIntake, type RecordIntake } from '../services/intake/record-intake.js';
import { streamHandler } from './bulk-route.js';
import type { Handlers } from './handler.js';
import { type ImportFormat, ImportSplitter } from './import-splitter.js';

/** `POST /workitems/import`: records of a file become items on the way to the engine, which takes them like bulk. */
export const importHandlers: Handlers = {
  importMany: (front, operation) =>
    streamHandler(operation, front, ({ headers }, { mapping }) => {
      const format: ImportFormat = /^text\/csv\b/i.test(headers['content-type'] ?? '') ? 'csv' : 'ndjson';
      const intake = mapping === undefined ? exportedIntake(format) : readMapping(mapping);
      if (isRejection(intake)) return intake;
      return { format: 'ndjson', splitter: (limits) => new ImportSplitter(format, intake, limits) };
    }),
};

function readMapping(text: string): RecordIntake | Rejection {
  const document = decodeBody(Buffer.from(text));
  if (isRejection(document)) return refused([{ pointer: '', code: document.code, detail: document.detail }]);
  const content = checkContent(document);
  if ('faults' in content) return refused(content.faults);
  const compiled = compileMapping(document);
  return 'faults' in compiled ? refused(compiled.faults) : mappedIntake(compiled.mapping);
}

/** Pointers into the mapping begin with the parameter that it came in. */
function refused(faults: readonly Fault[]): Rejection {
  const placed = faults.slice(0, faultsMax).map((one) => ({ ...one, pointer: `?mapping${one.pointer}` }));
  const [{ pointer, code, detail }] = placed as [Fault];
  return reject(code, `${pointer}: ${detail}`, { faults: placed });
}

const faultsMax = 20;

import { isRejection, rejections } from '../engine/rejection.js';
import type { Entry } from './entry.js';
import type { Answer, Reply } from './request.js';

/** Notes the outcome of the line that the entry has just decided, as the text that the caller gets. */
export function addLine(entry: Entry, firstLine: number, reply: Reply): void {
  const line = firstLine + entry.decided;
  if (isRejection(reply)) {
    const { code, detail, faults } = reply;
    const json = JSON.stringify({ line, status: rejections[code].status, code, detail, errors: faults });
    entry.lines.push({ json, accepted: false });
  } else {
    const ignored = reply.ignored ? ',"ignored":true' : '';
    const id = reply.id === undefined ? '' : `,"id":"${reply.id}"`;
    entry.lines.push({
      json: `{"line":${line}${id},"status":${reply.status}${ignored}}`,
      accepted: true,
    });
  }
}

/** All lines of the entry are decided. */
export function linesAnswer(entry: Entry): Answer {
  const accepted = entry.lines.filter((line) => line.accepted).length;
  const json = entry.lines.map((line) => line.json).join(',');
  return { status: 200, json, accepted, refused: entry.lines.length - accepted };
}

import { setTimeout as wait } from 'node:timers/promises';
import type { Target } from '../intake/target.js';
import type { ExportAsk, ExportFile } from './export-file.js';

/** Tries without a line between them. */
const triesMax = 10;
const waitMsMax = 10_000;

/** A refusal that another try would only repeat. */
class Refused extends Error {}

/** Brings the whole export into the file; a connection that breaks is made anew, and goes on after the last line. */
export async function downloadExport(
  target: Target,
  ask: ExportAsk,
  file: ExportFile,
  onProgress: (waiting?: string) => void,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const before = file.rows;
    try {
      await downloadOnce(target, ask, file, onProgress);
      return;
    } catch (error) {
      file.interrupt();
      if (error instanceof Refused) throw error;
      if (file.rows > before) tries = 1;
      if (tries >= triesMax)
        throw new Error(`the export broke off (run it again to go on): ${(error as Error).message}`);
      const ms = Math.min(waitMsMax, 250 * 2 ** tries);
      onProgress(`waiting ${ms} ms: ${(error as Error).message}`);
      await wait(ms);
    }
  }
}

async function downloadOnce(
  { base, apiKey }: Target,
  { format, body }: ExportAsk,
  file: ExportFile,
  onProgress: () => void,
): Promise<void> {
  const query = new URLSearchParams();
  if (file.after !== undefined) query.set('after', String(file.after));
  if (file.at !== undefined) query.set('at', file.at);
  const response = await fetch(`${base}/workitems/export?${query}`, {
    method: 'POST',
    headers: {
      'x-api-key': apiKey,
      'content-type': 'application/json',
      accept: format === 'csv' ? 'text/csv' : 'application/x-ndjson',
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw await problemOf(response);
  const total = response.headers.get('iwd-export-total');
  file.begin(response.headers.get('iwd-export-at') ?? '', total === null ? undefined : Number(total));
  for await (const chunk of response.body!) {
    file.write(chunk as Uint8Array);
    onProgress();
  }
}

async function problemOf(response: Response): Promise<Error> {
  const text = await response.text();
  const passes = response.status === 429 || response.status === 503;
  return new (passes ? Error : Refused)(`${response.status}: ${detailOf(text)}`);
}

function detailOf(text: string): string {
  try {
    return (JSON.parse(text) as { detail: string }).detail;
  } catch {
    // A proxy's page.
    return text.slice(0, 200);
  }
}

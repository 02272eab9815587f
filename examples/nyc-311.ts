import { createReadStream } from 'node:fs';
import { type Info, parse } from 'csv-parse';
import type { Instant } from '../engine/work-item.js';
import { type TimeReader, timeReader } from '../services/intake/wall-time.js';

/** Reads an export of "311 Service Requests" as the City of New York publishes it (CSV, column names of the city). */

/** One service request: what the city's file and our generator have in common, with the columns that matter here. */
export interface CityRequest {
  /** The city's Unique Key, or the generator's number. */
  key: string;
  created: Instant;
  complaintType: string;
  descriptor?: string;
  agency: string;
  agencyName?: string;
  locationType?: string;
  borough: string;
  /** How the request came in: PHONE, ONLINE, MOBILE, UNKNOWN. */
  channel: string;
  zip?: string;
  address?: string;
  communityBoard?: string;
  latitude?: number;
  longitude?: number;
}

export interface RowProblem {
  /** Line of the file on which the row ends, from 1. */
  line: number;
  detail: string;
}

/** Demo-sized: what is beyond is not read, since all requests are held in memory to be put in order. */
export const requestsMax = 200_000;

const parseCityTime = timeReader('MM/DD/YYYY hh:mm:ss AM', 'America/New_York') as TimeReader;
const required = ['Unique Key', 'Created Date', 'Agency', 'Complaint Type'];

type Row = Record<string, string>;

/** Reads up to `limit` rows. Throws when it is no such file; a faulty row is told and left out. */
export async function readNyc311(
  path: string,
  limit = requestsMax,
): Promise<{ requests: CityRequest[]; problems: RowProblem[] }> {
  const requests: CityRequest[] = [];
  const problems: RowProblem[] = [];
  const columns = (header: string[]) => {
    const missing = required.filter((name) => !header.includes(name));
    if (missing.length > 0)
      throw new Error(`${path} is no NYC 311 export: the columns ${missing.join(', ')} are missing`);
    return header;
  };
  const parser = parse({ columns, bom: true, info: true, relax_column_count: true, skip_empty_lines: true });
  const input = createReadStream(path).on('error', (error) => parser.destroy(error));
  for await (const { record, info } of input.pipe(parser) as AsyncIterable<{ record: Row; info: Info }>) {
    const request = requestOf(record);
    if (typeof request === 'string') problems.push({ line: info.lines, detail: request });
    else requests.push(request);
    if (requests.length >= limit) break;
  }
  input.destroy();
  return { requests, problems };
}

/** @returns the request, or a sentence that says what is wrong with the row. */
export function requestOf(row: Row): CityRequest | string {
  for (const name of required) if (!row[name]?.trim()) return `${name} is empty`;
  const created = parseCityTime(row['Created Date']!);
  if (created === undefined) return `Created Date is "${row['Created Date']}"; expected MM/DD/YYYY hh:mm:ss AM`;
  return {
    key: row['Unique Key']!.trim(),
    created,
    complaintType: row['Complaint Type']!.trim(),
    agency: row.Agency!.trim(),
    borough: text(row.Borough) ?? 'Unspecified',
    channel: text(row['Open Data Channel Type']) ?? 'UNKNOWN',
    ...present({
      descriptor: text(row.Descriptor),
      agencyName: text(row['Agency Name']),
      locationType: text(row['Location Type']),
      zip: text(row['Incident Zip']),
      address: text(row['Incident Address']),
      communityBoard: text(row['Community Board']),
      latitude: number(row.Latitude),
      longitude: number(row.Longitude),
    }),
  };
}

const text = (value: string | undefined) => value?.trim() || undefined;

function number(value: string | undefined): number | undefined {
  const parsed = value?.trim() ? Number(value) : Number.NaN;
  return Number.isFinite(parsed) ? parsed : undefined;
}

/** Without the fields that are undefined. */
function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

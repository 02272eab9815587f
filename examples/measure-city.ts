import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { CityFrequencies, Counts } from './city-requests.js';
import { type CityRequest, readNyc311 } from './nyc-311.js';

/**
 * Measures the table that `city-requests.ts` draws from:
 *   npm run build && node dist/examples/measure-city.js ../shared/data/nyc-311-2022-05-01.csv
 * Only counts are kept, and only of single columns beside (type, agency): no row can be put together from them.
 */
export function measure(requests: readonly CityRequest[], source: string): CityFrequencies {
  const kinds = groupBy(requests, ({ complaintType, agency }) => JSON.stringify([complaintType, agency]));
  const seconds = requests.map(({ created }) => secondOfDay(created)).sort((a, b) => a - b);
  return {
    source,
    requests: requests.length,
    secondsFrom: seconds[0] ?? 0,
    secondsTo: seconds.at(-1) ?? 0,
    types: [...kinds.values()]
      .sort((a, b) => b.length - a.length)
      .map((kind) => ({
        type: kind[0]!.complaintType,
        agency: kind[0]!.agency,
        hours: counts(kind, ({ created }) => String(Math.floor(secondOfDay(created) / 3600))),
        descriptors: counts(kind, ({ descriptor }) => descriptor ?? 'N/A'),
        locationTypes: counts(kind, ({ locationType }) => locationType ?? 'Unspecified'),
      })),
    agencyNames: Object.fromEntries(requests.map(({ agency, agencyName }) => [agency, agencyName ?? agency])),
    boroughs: counts(requests, ({ borough }) => borough),
    channels: counts(requests, ({ channel }) => channel),
  };
}

function counts(requests: readonly CityRequest[], columnOf: (request: CityRequest) => string): Counts {
  const groups = [...groupBy(requests, columnOf)].map(([value, { length }]) => [value, length] as const);
  return Object.fromEntries(groups.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', timeStyle: 'medium' });

function secondOfDay(instant: number): number {
  const [hour, minute, second] = clock.format(instant).split(':').map(Number) as [number, number, number];
  return hour * 3600 + minute * 60 + second;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const path = process.argv[2];
  if (!path) throw new Error('usage: node dist/examples/measure-city.js FILE');
  const { requests, problems } = await readNyc311(path);
  const target = fileURLToPath(new URL('../../examples/city-frequencies.json', import.meta.url));
  writeFileSync(target, `${JSON.stringify(measure(requests, basename(path)), null, 2)}\n`);
  console.log(`${requests.length} requests measured, ${problems.length} rows left out; written to ${target}`);
}

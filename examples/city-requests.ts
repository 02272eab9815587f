import { readFileSync } from 'node:fs';
import type { CityRequest } from './nyc-311.js';

/**
 * Draws service requests as a city gets them: how often each complaint type, agency and hour comes, measured on a real
 * day (`measure-city.ts`). The table holds counts only; no request of the real day can be found in it.
 */

/** Counts by value, most frequent first. */
export type Counts = Record<string, number>;

export interface CityFrequencies {
  source: string;
  requests: number;
  /** First and last second of the measured day in local time. */
  secondsFrom: number;
  secondsTo: number;
  types: {
    type: string;
    agency: string;
    /** By hour of the day, 0 to 23. */
    hours: Counts;
    descriptors: Counts;
    locationTypes: Counts;
  }[];
  agencyNames: Record<string, string>;
  boroughs: Counts;
  channels: Counts;
}

/** Loads the table that is shipped (`examples/city-frequencies.json`). */
export function loadFrequencies(): CityFrequencies {
  return JSON.parse(readFileSync(new URL('../../examples/city-frequencies.json', import.meta.url), 'utf8'));
}

/** A small seeded generator of numbers in [0, 1) (mulberry32): the same seed gives the same city on any machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A drawer of values with the given weights: one number in [0, 1) decides. */
function urn<T>(values: readonly (readonly [T, number])[]): (random: number) => T {
  const ends: number[] = [];
  let total = 0;
  for (const [, count] of values) {
    total += count;
    ends.push(total);
  }
  return (random) => {
    const point = random * total;
    let [low, high] = [0, ends.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > point) high = middle;
      else low = middle + 1;
    }
    return values[low]![0];
  };
}

/** The measured day began at this instant: midnight in New York on 2022-05-01. */
const dayStart = Date.parse('2022-05-01T00:00:00-04:00');

/** Draws `count` requests, oldest first; the same count, seed and table give the same requests. */
export function drawRequests(count: number, seed: number, table: CityFrequencies = loadFrequencies()): CityRequest[] {
  const random = randomNumbers(seed);
  const kinds = table.types.map((type) => ({
    ...type,
    descriptor: urn(Object.entries(type.descriptors)),
    locationType: urn(Object.entries(type.locationTypes)),
  }));
  const cells = urn(
    kinds.flatMap((kind) => Object.entries(kind.hours).map(([hour, n]) => [{ kind, hour: Number(hour) }, n] as const)),
  );
  const [borough, channel] = [urn(Object.entries(table.boroughs)), urn(Object.entries(table.channels))];
  const requests = Array.from({ length: count }, () => {
    const { kind, hour } = cells(random());
    return {
      key: '',
      created: dayStart + secondWithin(hour, table, random()) * 1000,
      complaintType: kind.type,
      descriptor: kind.descriptor(random()),
      agency: kind.agency,
      agencyName: table.agencyNames[kind.agency] ?? kind.agency,
      locationType: kind.locationType(random()),
      borough: borough(random()),
      channel: channel(random()),
    };
  });
  requests.sort((a, b) => a.created - b.created);
  return requests.map((request, i) => ({ ...request, key: `${seed}-${i + 1}` }));
}

/** A second of the hour, of the part that was measured: the file may begin or end within an hour. */
function secondWithin(hour: number, { secondsFrom, secondsTo }: CityFrequencies, random: number): number {
  const from = Math.max(hour * 3600, secondsFrom);
  const to = Math.min(hour * 3600 + 3599, secondsTo);
  return from + Math.floor(random * (to - from + 1));
}

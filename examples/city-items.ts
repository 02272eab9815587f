import type { CityRequest } from './nyc-311.js';

/** A work item as `POST /workitems` takes it. */
export interface CityItem {
  captureId: string;
  departmentId: string;
  processId: string;
  createdDateTime: string;
  businessValue: number;
  customerSegment: string;
  channel: string;
  attributes: Record<string, string | number>;
}

const hourMs = 3_600_000;

/**
 * Turns a city's requests into work items, in the order of their times.
 *
 * - Times are shifted as a whole so that the last request comes in at `now`; order and gaps stay.
 * - `businessValue` is the number of requests of the same complaint type in the same borough during the hour before
 *   (itself included): how many people report the same thing. It is the only measure of weight in the city's columns.
 * - `customerSegment` is how the request came in: whoever called has no other way to follow it up.
 * - `captureId` = run and the city's key. Each run shifts the times anew, so the same key means other content in the
 *   next run; a run of its own keeps repetitions of the demo from colliding, while a retry within a run stays one item.
 */
export function cityItems(requests: readonly CityRequest[], { now, run }: { now: number; run: string }): CityItem[] {
  const ordered = [...requests].sort((a, b) => a.created - b.created);
  const shiftMs = now - (ordered.at(-1)?.created ?? now);
  const recent = new Map<string, number[]>();
  return ordered.map((request) => {
    const { created, complaintType, agency, borough, channel } = request;
    const times = recent.get(`${complaintType}|${borough}`) ?? [];
    while (times.length > 0 && times[0]! <= created - hourMs) times.shift();
    times.push(created);
    recent.set(`${complaintType}|${borough}`, times);
    return {
      captureId: `nyc-311/${run}/${request.key}`,
      departmentId: agency,
      processId: 'nyc-311',
      createdDateTime: new Date(created + shiftMs).toISOString(),
      businessValue: times.length,
      customerSegment: channel.toLowerCase(),
      channel,
      attributes: attributesOf(request),
    };
  });
}

function attributesOf({ key, created, agency, channel, ...columns }: CityRequest): CityItem['attributes'] {
  return { uniqueKey: key, requestedAt: new Date(created).toISOString(), ...columns };
}

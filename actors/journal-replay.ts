import { formatInstant } from '../engine/instant.js';
import { type Settings, settingsNames } from '../engine/settings.js';
import type { SettingsBundle } from '../engine/settings-check.js';
import type { StateOptions, TenantState } from '../engine/state.js';
import type { StateCopy } from '../engine/state-copy.js';
import { publish } from '../engine/what-if/live.js';
import { Replay } from '../engine/what-if/replay.js';
import { World } from '../engine/what-if/world.js';
import type { Instant, WorkItem } from '../engine/work-item.js';
import type { JournalRow } from './ports.js';
import type { SimulationSource } from './simulation-source.js';

const rowsARead = 64;
const documentsARead = 500;
const hourMs = 3_600_000;
/** Versions of one kind of settings that are walked back through. */
const versionsMax = 10_000;

export interface JournalQuestion {
  copy: StateCopy;
  copiedAt: Instant;
  draft: SettingsBundle;
  hours: number;
  top: number;
  eventsMax: number;
  options: StateOptions;
}

/** What happened to items within the window, from a first look over its events. */
interface Touched {
  /** Items that were there before and to which something happened. */
  ids: Set<string>;
  restarted: Set<string>;
  /** Of those, how many were updated: what they were before is not known any more. */
  updated: Set<string>;
}

/**
 * Replays the journal's last hours under a draft. Memory as it was then is made of what is at hand: the columns of today
 * for items that nothing has happened to since, documents and history for the others. Two readings of the window: one for
 * which items that are, one to replay.
 */
export async function replayJournal(
  question: JournalQuestion,
  source: SimulationSource,
  onProgress: (stage: string, done: number, of: number) => void,
): Promise<Record<string, unknown>> {
  const { copy, copiedAt, draft, hours, top, eventsMax, options } = question;
  const wanted = await seqBefore(source, copiedAt - hours * hourMs, copy.seq);
  const startSeq = Math.max(wanted, copy.seq - eventsMax);
  const startAt = (await eventAt(source, startSeq)) ?? copiedAt;
  const touched = await look(source, startSeq, copy.seq);
  const settings = await settingsAt(source, startSeq);
  const worlds = [undefined, draft].map((published) => {
    const state = copy.open({ ...options, documentBytesMax: 0 }, startAt);
    removeLater(state, startSeq, touched.ids);
    state.restoreSettings(withDefaults(settings, options));
    if (published !== undefined) publish(state, published, startAt);
    return new World(state, copiedAt, touched.restarted);
  }) as [World, World];
  const missing = await begin(worlds, source, touched.ids, startSeq, startAt);
  const replay = new Replay(...worlds, draft, top);
  for await (const row of rowsOf(source, startSeq, copy.seq)) {
    eventsOf(row, startSeq, copy.seq).forEach(({ event, seq }) => {
      replay.take(event, seq);
    });
    onProgress('replay', row.seq - startSeq, copy.seq - startSeq);
  }
  return {
    journal: {
      from: formatInstant(startAt),
      until: formatInstant(copiedAt),
      events: copy.seq - startSeq,
      shortened: startSeq > wanted,
    },
    approximate: { updated: touched.updated.size, missing },
    ...replay.report(copiedAt),
  };
}

/** Rows with events after `fromSeq` up to `toSeq`, oldest first. */
async function* rowsOf({ journal }: SimulationSource, fromSeq: number, toSeq: number): AsyncGenerator<JournalRow> {
  for (let seq = fromSeq; seq < toSeq; ) {
    const rows = await journal.read(seq, rowsARead);
    if (rows.length === 0) return;
    for (const row of rows) if (row.seq <= toSeq) yield row;
    const last = rows[rows.length - 1];
    seq = last.seq + last.events.length - 1;
  }
}

function eventsOf({ seq: first, events }: JournalRow, fromSeq: number, toSeq: number) {
  return events
    .map((event, index) => ({ event, seq: first + index }))
    .filter(({ seq }) => seq > fromSeq && seq <= toSeq);
}

/** When the first event after `seq` happened. */
async function eventAt({ journal }: SimulationSource, seq: number): Promise<Instant | undefined> {
  const [row] = await journal.read(seq, 1);
  return row?.events[Math.max(0, seq + 1 - row.seq)]?.at;
}

/** Number of the last event before the instant: by halves, for the journal knows no times but its events'. */
async function seqBefore(source: SimulationSource, instant: Instant, lastSeq: number): Promise<number> {
  let before = 0;
  let within = lastSeq;
  while (before < within) {
    const middle = Math.floor((before + within) / 2);
    const at = await eventAt(source, middle);
    if (at === undefined || at >= instant) within = middle;
    else before = middle + 1;
  }
  return within;
}

async function look(source: SimulationSource, startSeq: number, endSeq: number): Promise<Touched> {
  const touched: Touched = { ids: new Set(), restarted: new Set(), updated: new Set() };
  const made = new Set<string>();
  for await (const row of rowsOf(source, startSeq, endSeq)) {
    for (const { event } of eventsOf(row, startSeq, endSeq)) {
      const id = 'item' in event ? event.item.id : 'id' in event ? event.id : undefined;
      if (id === undefined) continue;
      if (event.type === 'created') made.add(id);
      if (event.type === 'restarted') touched.restarted.add(id);
      if (made.has(id)) continue;
      touched.ids.add(id);
      if (event.type === 'updated') touched.updated.add(id);
    }
  }
  return touched;
}

/** The settings in force after event `seq`; a kind of which nothing had been published by then is absent. */
async function settingsAt({ projection }: SimulationSource, seq: number): Promise<Partial<Settings>> {
  const found: [string, unknown][] = [];
  for (const kind of settingsNames) {
    let record = await projection.settings(kind);
    for (let tries = 0; record !== undefined && record.seq > seq && tries < versionsMax; tries++) {
      record = await projection.settings(kind, record.version - 1);
    }
    if (record !== undefined) found.push([kind, { version: record.version, at: record.at, document: record.document }]);
  }
  return Object.fromEntries(found);
}

/** With what a tenant begins with, where nothing had been published: the copy has what is in force today. */
function withDefaults(
  settings: Partial<Settings>,
  { categories, schemas, calendars }: StateOptions,
): Partial<Settings> {
  return {
    calendars: { version: 0, document: calendars ?? [] },
    prioritization: { version: 0, document: schemas },
    categories: { version: 0, document: categories },
    ...settings,
  };
}

/** Takes away what came after the start, and what will be put back as it was then. */
function removeLater(state: TenantState, startSeq: number, touched: ReadonlySet<string>): void {
  const { table, queue } = state;
  for (let slot = 0; slot < table.slotEnd; slot++) {
    if (!table.isOpen(slot) || (table.seq[slot] <= startSeq && !touched.has(table.idOf(slot)))) continue;
    if (queue.has(slot)) queue.remove(slot);
    table.remove(slot);
  }
}

/** Puts the touched items back as they were at the start; returns how many are not known any more. */
async function begin(
  worlds: readonly World[],
  { projection }: SimulationSource,
  touched: ReadonlySet<string>,
  startSeq: number,
  startAt: Instant,
): Promise<number> {
  const ids = [...touched];
  let known = 0;
  for (let from = 0; from < ids.length; from += documentsARead) {
    const part = ids.slice(from, from + documentsARead);
    const standings = new Map((await projection.standingAt(part, startSeq)).map((one) => [one.itemId, one]));
    for (const item of await projection.load(part)) {
      const standing = standings.get(item.id);
      if (standing === undefined) continue;
      known++;
      for (const world of worlds) world.begin(asItWas(item, standing), startAt);
    }
  }
  return ids.length - known;
}

/** The item with the state that it was in; attributes stay behind, only rules would want them. */
function asItWas(item: WorkItem, { version, status }: Pick<WorkItem, 'version' | 'status'>): WorkItem {
  return { ...item, version, status, attributes: '{}', completedDateTime: undefined };
}

import { formatInstant } from './instant.js';
import { type Instant, type Override, plainTexts, type WorkItem } from './work-item.js';

/** Text and number fields in the order in which they are written when the item has them. */
const optional = [
  ...plainTexts,
  'sourceVersion',
  'stoppedMs',
  'rule',
  'error',
  'resultCode',
  'reason',
] as const satisfies readonly (keyof WorkItem)[];

const optionalTimes = [
  'assignedDateTime',
  'heldDateTime',
  'completedDateTime',
  'sourceCreatedDateTime',
  'sourceDueDateTime',
  'sourceFirstCreatedDateTime',
  'sourceUpdatedDateTime',
] as const satisfies readonly (keyof WorkItem)[];

/** What an answer adds to the item: computed at its instant, not stored. */
export interface ItemView {
  tenantId: string;
  /** Score in points at the answer's instant. */
  priority: number;
  /** Milliseconds since creation at that instant. */
  ageMs?: number;
  ignored?: boolean;
  /** The one in force at that instant. */
  override?: Override;
}

/**
 * The item as JSON text, the way every answer shows it. Written by hand because it runs once for every command: the
 * attributes are text already and are copied, never parsed. Fields that orders and people look at are always there,
 * null when absent; the rest appears when the item has it.
 */
export function itemJson(item: WorkItem, view: ItemView): string {
  let json = `{"id":"${item.id}","tenantId":${JSON.stringify(view.tenantId)},"captureId":${text(item.captureId)}`;
  json += `,"status":"${item.status}","version":${item.version},"category":${text(item.category)}`;
  json += `,"priority":${view.priority},"businessValue":${item.businessValue ?? null}`;
  json += `,"customerSegment":${text(item.customerSegment)},"departmentId":${text(item.departmentId)}`;
  json += `,"processId":${text(item.processId)},"assignedTo":${text(item.assignedTo)}`;
  json += `,"createdDateTime":"${formatInstant(item.createdDateTime)}","activationDateTime":${time(item.activationDateTime)}`;
  json += `,"dueDateTime":${time(item.dueDateTime)},"expirationDateTime":${time(item.expirationDateTime)}`;
  for (const name of optional) {
    const value = item[name];
    if (value !== undefined) json += `,"${name}":${JSON.stringify(value)}`;
  }
  for (const name of optionalTimes) {
    const value = item[name];
    if (value !== undefined) json += `,"${name}":"${formatInstant(value)}"`;
  }
  json += `,"updatedDateTime":"${formatInstant(item.updatedDateTime)}"`;
  if (view.override !== undefined) json += `,"override":${overrideJson(view.override)}`;
  if (view.ageMs !== undefined) json += `,"ageMs":${view.ageMs}`;
  if (view.ignored) json += ',"ignored":true';
  return `${json},"attributes":${item.attributes}}`;
}

/** As `reprioritize` takes it. */
export function overrideJson({ priority, until, reason }: Override): string {
  return JSON.stringify({ priority, until: until === undefined ? null : formatInstant(until), reason });
}

function text(value: string | undefined): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}

function time(value: Instant | undefined): string {
  return value === undefined ? 'null' : `"${formatInstant(value)}"`;
}

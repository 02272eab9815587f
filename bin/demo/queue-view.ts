/** The head of the queue as lines for a terminal. */

/** What the view needs of an item of `GET /queue`. */
export interface QueueItem {
  priority: number;
  category?: string;
  createdDateTime: string;
  dueDateTime?: string;
  attributes?: Record<string, unknown>;
}

export interface QueueAnswer {
  /** The instant for which the order and all priorities hold. */
  at: string;
  items: QueueItem[];
}

/** A duration in its two largest units: `45s`, `12m 03s`, `3h 20m`, `2d 04h`; negative with a minus. */
export function span(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const sign = ms <= -1000 ? '-' : '';
  const two = (n: number) => String(n).padStart(2, '0');
  if (seconds < 60) return `${sign}${seconds}s`;
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${sign}${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${sign}${Math.floor(seconds / 86_400)}d ${two(Math.floor((seconds % 86_400) / 3600))}h`;
}

/** The table without colours, one text a line, none wider than `width`. */
export function queueLines({ at, items }: QueueAnswer, width: number): string[] {
  const now = Date.parse(at);
  const rows = items.map((item, i) => {
    const { complaintType, descriptor, borough } = item.attributes ?? {};
    const what = [complaintType, descriptor, borough]
      .filter((part) => typeof part === 'string' && part !== 'N/A')
      .join(', ');
    const due = item.dueDateTime ? span(Date.parse(item.dueDateTime) - now) : '-';
    const age = span(now - Date.parse(item.createdDateTime));
    return line(String(i + 1), item.priority.toFixed(1), age, item.category ?? '-', due, what);
  });
  const heading = line('#', 'priority', 'age', 'category', 'due in', 'request');
  return [heading, ...rows].map((text) => safe(text).slice(0, width));
}

function line(rank: string, priority: string, age: string, category: string, due: string, what: string): string {
  const columns = [rank.padStart(3), priority.padStart(9), age.padStart(9), category.padEnd(24), due.padStart(9), what];
  return columns.join('  ').trimEnd();
}

/** A source's text must not move the cursor. */
function safe(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

/** Draws frames over each other on a terminal, and one below the other anywhere else. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  #height = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Lines beyond the terminal's height are left out: the cursor cannot go back above its top. */
  draw(all: string[]): void {
    const lines = this.#out.isTTY ? all.slice(0, Math.max(1, (this.#out.rows ?? 24) - 1)) : all;
    const back = this.#out.isTTY && this.#height > 0 ? `\x1b[${this.#height}A\x1b[0J` : '';
    this.#out.write(`${back}${lines.join('\n')}\n`);
    this.#height = lines.length;
  }
}

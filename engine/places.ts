import type { ItemTable, SlotColumn } from './item-table.js';

/** Where one order keeps each slot: three numbers a slot, grown with the table. Written by the order and its heaps. */
export class Places {
  /** Number of the slot's heap + 1; 0 = the slot is not in the queue. */
  heap: Uint32Array;
  /** Position inside that heap. */
  position: Uint32Array;
  /** Position in the timer heap + 1; 0 = no crossing lies ahead. */
  timer: Uint32Array;
  private readonly detachers: (() => void)[];

  constructor(table: ItemTable) {
    const length = table.columnLength;
    this.heap = new Uint32Array(length);
    this.position = new Uint32Array(length);
    this.timer = new Uint32Array(length);
    this.detachers = (['heap', 'position', 'timer'] as const).map((name) => table.attach(this.column(name)));
  }

  detach(): void {
    for (const detach of this.detachers) detach();
  }

  private column(name: 'heap' | 'position' | 'timer'): SlotColumn {
    const places = this;
    return {
      get length() {
        return places[name].length;
      },
      grow(capacity) {
        const longer = new Uint32Array(capacity);
        longer.set(places[name]);
        places[name] = longer;
      },
    };
  }
}

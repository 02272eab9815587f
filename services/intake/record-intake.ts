import { type Fault, type Rejection, reject } from '../../engine/rejection.js';
import type { FileRecord, Item, Mapping } from './mapping.js';

/** How the records of a file become work items: by a mapping, or as an export wrote them (`exported-record.ts`). */
export interface RecordIntake {
  /** What a CSV's header lacks or has too much. */
  headerFaults(header: readonly string[]): Fault[];
  /** @returns the item's JSON-to-be; the engine has the last word on it. */
  item(record: FileRecord): { item: Item } | Rejection;
}

export function mappedIntake({ columns, item }: Mapping): RecordIntake {
  return {
    headerFaults: (header) => columns.flatMap((column) => columnFaults(header, column)),
    item(record) {
      const mapped = item(record);
      return 'item' in mapped ? mapped : reject('invalid-value', mapped.detail);
    },
  };
}

/** Names of the header that a fault repeats. */
const namesShown = 20;

function columnFaults(header: readonly string[], column: string): Fault[] {
  const at = header.lastIndexOf(column);
  const name = JSON.stringify(column.slice(0, 64));
  if (at < 0) {
    const has = header.slice(0, namesShown).map((one) => JSON.stringify(one.slice(0, 64)));
    const more = header.length > namesShown ? ', ...' : '';
    const detail = `the CSV has no column ${name}; it has ${has.join(', ')}${more}`;
    return [{ pointer: '/header', code: 'missing-field', detail }];
  }
  if (header.indexOf(column) === at) return [];
  return [{ pointer: `/header/${at}`, code: 'invalid-value', detail: `${name} is the name of a column before it` }];
}

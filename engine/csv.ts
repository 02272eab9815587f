/** Values of one cell: what JSON has. */
export type Cell = string | number | boolean | null | undefined | object;

/**
 * What a spreadsheet would take for the beginning of a formula, or cut off before it looks for one; with apostrophes in
 * front too, so that taking one away always gives back the text.
 */
const formula = /^'*[=+\-@\t\r\n]/;
const special = /[",\r\n]/;

/**
 * One line of CSV (RFC 4180), with its line end. A text that a spreadsheet would run as a formula gets an apostrophe in
 * front, which shows it as text. Numbers are numbers, negative ones too: only texts are made harmless. What JSON nests is
 * written as JSON text.
 */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(',')}\r\n`;
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'number' || typeof cell === 'boolean') return String(cell);
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell);
  const safe = formula.test(text) ? `'${text}` : text;
  return special.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text of a cell that `csvLine` wrote from a text. */
export function plainText(cell: string): string {
  return cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell;
}

/** Characters of the longest name worth comparing. */
const lengthMax = 40;
/** Edits that still count as a slip. */
const editsMax = 2;

/** The known name that a client most likely meant by `name`: the same but for case, or at most two edits away. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > lengthMax) return undefined;
  let best: string | undefined;
  let bestEdits = editsMax + 1;
  for (const candidate of known) {
    // Every letter more or less is an edit: this spares most comparisons, which a client can cause by the thousand.
    if (Math.abs(candidate.length - name.length) >= bestEdits) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    // In a name of three letters, two edits are another name.
    if (edits < bestEdits && edits < candidate.length - 1) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}

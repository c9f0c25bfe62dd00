/** "Did you mean": the known word nearest to one that is unknown. */

/** The nearest of `known`, or undefined where none is near enough to be a slip of the finger. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `; did you mean cold-after?` or nothing, to end a message with. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const match = nearest(word, known);
  return match === undefined ? '' : `; did you mean ${match}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) row.push(step(rows, row, a, b, i, j));
    rows.push(row);
  }
  return rows[a.length][b.length];
}

function step(rows: number[][], row: number[], a: string, b: string, i: number, j: number): number {
  const replace = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
  const best = Math.min(replace, rows[i - 1][j] + 1, row[j - 1] + 1);
  const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
  return swapped ? Math.min(best, rows[i - 2][j - 2] + 1) : best;
}

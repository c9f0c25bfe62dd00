/**
 * The writes of one group to one table, kept in memory until they are durable, with their keys in order
 * when somebody asks.
 *
 * Keys are `latin1` strings: one character per byte, so strings compare as the bytes do, and a caller may
 * reuse its key buffer.
 */

/** A value, or null for a removed key. */
export type PendingValue = Buffer | null;

const NO_KEYS: readonly string[] = [];

export class Pending {
  readonly writes = new Map<string, PendingValue>();
  /** Ordered keys as of the last call of `keys`; never modified, so an iteration may hold on to it. */
  private ordered = NO_KEYS;
  /** Keys added since; null as long as nobody asked for an order. */
  private added: string[] | null = null;

  set(key: string, value: PendingValue): void {
    const before = this.writes.size;
    this.writes.set(key, value);
    if (this.added !== null && this.writes.size !== before) this.added.push(key);
  }

  /** Every key, in byte order. Costs a sort of what is new and one merge. */
  keys(): readonly string[] {
    if (this.added === null) {
      this.ordered = [...this.writes.keys()].sort(compareKeys);
      this.added = [];
    } else if (this.added.length > 0) {
      this.ordered = mergeKeys(this.ordered, this.added.sort(compareKeys));
      this.added = [];
    }
    return this.ordered;
  }
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function mergeKeys(a: readonly string[], b: readonly string[]): string[] {
  const merged = new Array<string>(a.length + b.length);
  let i = 0;
  let j = 0;
  for (let k = 0; k < merged.length; k++) {
    merged[k] = j >= b.length || (i < a.length && a[i]! < b[j]!) ? a[i++]! : b[j++]!;
  }
  return merged;
}

/** Index of the first key that is not below `bound`. */
export function lowerBound(keys: readonly string[], bound: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

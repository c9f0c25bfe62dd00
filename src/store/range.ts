/**
 * Merges what lies in the database with the pending writes over it, in key order, newest first.
 *
 * Pending rows are found by position in ordered key lists, so that a short range costs what it yields
 * and not what is pending.
 */
import { lowerBound, type Pending, type PendingValue } from './pending.js';

export interface Row {
  key: Buffer;
  value: Buffer;
}

/** A position in the ordered keys of one group. */
interface Run {
  readonly keys: readonly string[];
  readonly writes: ReadonlyMap<string, PendingValue>;
  next: number;
  readonly end: number;
}

/** Rows with start <= key < end: `layers` newest first, over `committed`. */
export function mergedRange(
  committed: Iterable<Row>,
  layers: readonly Pending[],
  start: Buffer,
  end: Buffer | undefined,
): Iterable<Row> {
  const runs = layers.map((layer) => runOf(layer, start, end)).filter((run) => run.next < run.end);
  return runs.length === 0 ? committed : merge(committed, runs);
}

function runOf(layer: Pending, start: Buffer, end: Buffer | undefined): Run {
  if (layer.writes.size === 0) return { keys: [], writes: layer.writes, next: 0, end: 0 };
  const keys = layer.keys();
  const next = lowerBound(keys, start.toString('latin1'));
  const last = end === undefined ? keys.length : lowerBound(keys, end.toString('latin1'));
  return { keys, writes: layer.writes, next, end: last };
}

function* merge(committed: Iterable<Row>, runs: readonly Run[]): Generator<Row> {
  let pending = takeFirst(runs);
  for (const row of committed) {
    const key = row.key.toString('latin1');
    while (pending !== null && pending.key < key) {
      if (pending.value !== null) yield toRow(pending.key, pending.value);
      pending = takeFirst(runs);
    }
    if (pending === null || pending.key !== key) {
      yield row;
      continue;
    }
    if (pending.value !== null) yield { key: row.key, value: pending.value };
    pending = takeFirst(runs);
  }
  for (; pending !== null; pending = takeFirst(runs)) {
    if (pending.value !== null) yield toRow(pending.key, pending.value);
  }
}

function toRow(key: string, value: Buffer): Row {
  return { key: Buffer.from(key, 'latin1'), value };
}

/** The lowest pending key, with the value of the newest run that has it; moves past it in all runs. */
function takeFirst(runs: readonly Run[]): { key: string; value: PendingValue } | null {
  let first: Run | null = null;
  let key = '';
  for (const run of runs) {
    if (run.next >= run.end) continue;
    const candidate = run.keys[run.next]!;
    if (first === null || candidate < key) {
      first = run;
      key = candidate;
    } else if (candidate === key) {
      run.next++;
    }
  }
  if (first === null) return null;
  first.next++;
  return { key, value: first.writes.get(key) ?? null };
}

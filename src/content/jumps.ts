/**
 * Bounds how much of the time of reading a packed file in order a seeking medium spends on jumps: decides which
 * chunks are read where they lie, and which are stored again between the new data around them.
 *
 * A jump costs as much as reading `seekBytes` does, and a gap that is skipped no more than reading it. Each byte of
 * the file earns `rate` bytes for jumps; a file begins with enough for some, and never saves up more. To leave new data
 * includes the way back to it, which is paid ahead: then to store everything again costs nothing, so no more is spent
 * than was earned, but for the first way to new data:
 *
 *     jumps while n bytes in order are read  <=  (SPARE_JUMPS + 1) * seekBytes + rate * n
 */

/**
 * What a file may spend before it earned something: a quarter of a second. Small files and small tensors in another order
 * are not worth storing again.
 */
export const SPARE_JUMPS = 32;

/** One record: where it begins in its pack and where the next one would. */
export interface Span {
  pack: number;
  start: number;
  end: number;
}

export interface Piece {
  /** Of the file. */
  bytes: number;
  /** Null for what is stored behind what the job stored last. */
  at: Span | null;
  /** It may be stored again. */
  mayMove: boolean;
}

export interface JumpLimits {
  /** Bytes that the medium reads in the time of a seek. */
  seekBytes: number;
  /** Of that cost, so much for each byte that is read; Infinity for no bound. */
  rate: number;
}

/** Pieces that follow each other without a jump. */
interface Run {
  first: number;
  last: number;
  bytes: number;
  from: Span | null;
  to: Span | null;
  mayMove: boolean;
}

/** One for each file; takes its pieces in order, some at a time. @returns the numbers of those to store again */
export type JumpBound = (pieces: readonly Piece[]) => number[];

export function createJumpBound({ seekBytes, rate }: JumpLimits): JumpBound {
  const most = SPARE_JUMPS * seekBytes;
  let credit = most;
  /** Where the medium stands; undefined before the first piece. */
  let head: Span | null | undefined;

  /** There is new data. A file of old data only never goes back to some. */
  let paysAhead = false;

  const jump = (from: Span | null | undefined, to: Span | null): number =>
    from === undefined ? 0 : jumpCost(from, to, seekBytes);

  function before(runs: Run[], i: number): Span | null | undefined {
    return i === 0 ? head : runs[i - 1].to;
  }

  function after(runs: Run[], i: number): Span | null {
    return i === runs.length - 1 ? null : runs[i + 1].from;
  }

  function costOf(runs: Run[], budget: number): number {
    const paid = paysAhead ? jump(head, null) : 0;
    const ways = runs.reduce((sum, run, i) => sum + jump(before(runs, i), run.from), 0);
    paysAhead ||= runs.some(({ from }) => from === null) || ways > budget;
    return ways - paid + (paysAhead ? jump(runs[runs.length - 1].to, null) : 0);
  }

  function saving(runs: Run[], i: number): number {
    const { from, to } = runs[i];
    const [left, right] = [before(runs, i), after(runs, i)];
    return jump(left, from) + jump(to, right) - jump(left, null) - jump(null, right);
  }

  return (pieces) => {
    if (pieces.length === 0) return [];
    let runs = toRuns(pieces);
    const earned = pieces.reduce((sum, { bytes }) => sum + bytes, 0) * rate;
    const budget = credit + earned;
    let cost = costOf(runs, budget);
    const again: number[] = [];
    while (cost > budget) {
      const worst = worstRun(runs, (i) => saving(runs, i));
      if (worst === undefined) break;
      cost -= saving(runs, worst);
      for (let i = runs[worst].first; i <= runs[worst].last; i++) again.push(i);
      runs = withoutRun(runs, worst);
    }
    credit = Math.min(most, Math.max(0, budget - cost));
    head = runs[runs.length - 1].to;
    return again;
  };
}

/** In bytes that could be read meanwhile. */
export function jumpCost(from: Span | null, to: Span | null, seekBytes: number): number {
  if (from === null || to === null) return from === to ? 0 : seekBytes;
  const gap = to.start - from.end;
  return from.pack === to.pack && gap >= 0 ? Math.min(gap, seekBytes) : seekBytes;
}

export function follows(from: Span, to: Span): boolean {
  return from.pack === to.pack && from.end === to.start;
}

function toRuns(pieces: readonly Piece[]): Run[] {
  const runs: Run[] = [];
  pieces.forEach(({ bytes, at, mayMove }, i) => {
    const run = runs[runs.length - 1];
    if (run !== undefined && continues(run.to, at)) {
      run.last = i;
      run.bytes += bytes;
      run.to = at;
      run.mayMove &&= mayMove;
    } else {
      runs.push({ first: i, last: i, bytes, from: at, to: at, mayMove: at !== null && mayMove });
    }
  });
  return runs;
}

function continues(from: Span | null, to: Span | null): boolean {
  return from === null || to === null ? from === to : follows(from, to);
}

/** The one that takes the least space for what storing it again saves. */
function worstRun(runs: Run[], saving: (i: number) => number): number | undefined {
  let worst: number | undefined;
  let least = Infinity;
  runs.forEach((run, i) => {
    const saved = run.mayMove ? saving(i) : 0;
    if (saved <= 0 || run.bytes / saved >= least) return;
    worst = i;
    least = run.bytes / saved;
  });
  return worst;
}

/** It becomes new data, one with the new data on either side. */
function withoutRun(runs: Run[], i: number): Run[] {
  const merged: Run = { ...runs[i], from: null, to: null, mayMove: false };
  const left = i > 0 && runs[i - 1].to === null ? 1 : 0;
  const right = i < runs.length - 1 && runs[i + 1].from === null ? 1 : 0;
  if (left) merged.first = runs[i - 1].first;
  if (right) merged.last = runs[i + 1].last;
  return [...runs.slice(0, i - left), merged, ...runs.slice(i + 1 + right)];
}

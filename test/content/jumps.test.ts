import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJumpBound, jumpCost, SPARE_JUMPS, type Piece } from '../../src/content/jumps.js';
import { createChance } from '../random/randomness.js';
import { seed } from '../seed.js';

const CHUNK = 64 * 1024;
const LIMITS = { seekBytes: 1_200_000, rate: 1 };

const fresh: Piece = { bytes: CHUNK, at: null, mayMove: false };

/** The n-th record of a pack that is full of records of one length. */
function old(n: number, pack = 1): Piece {
  return { bytes: CHUNK, at: { pack, start: n * CHUNK, end: (n + 1) * CHUNK }, mayMove: true };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Pieces as they lie when those in `again` were stored with the new data. */
function laidOut(pieces: readonly Piece[], again: readonly number[]): Piece[] {
  const stored = new Set(again);
  return pieces.map((piece, i) => (stored.has(i) ? { ...piece, at: null } : piece));
}

function jumpsIn(pieces: readonly Piece[]): number {
  let cost = 0;
  pieces.forEach((piece, i) => {
    if (i > 0) cost += jumpCost(pieces[i - 1].at, piece.at, LIMITS.seekBytes);
  });
  return cost;
}

test('a file that lies in order is stored once', () => {
  const bound = createJumpBound(LIMITS);
  for (let batch = 0; batch < 50; batch++) {
    assert.deepEqual(bound(range(batch * 64, batch * 64 + 64).map((n) => old(n))), []);
  }
});

test('a small file with a change in its middle is stored once', () => {
  const bound = createJumpBound(LIMITS);
  assert.deepEqual(bound([old(0), old(1), fresh, old(3), fresh, old(5)]), []);
});

test('a large file with a change in every other chunk is stored again, all but its beginning', () => {
  const bound = createJumpBound(LIMITS);
  let kept = 0;
  for (let batch = 0; batch < 20; batch++) {
    const pieces = range(batch * 64, batch * 64 + 64).map((n) => (n % 2 ? old(n) : fresh));
    kept += 32 - bound(pieces).length;
  }
  // One jump for each 1.2 MB at most, and two for each piece.
  assert.ok(
    kept >= SPARE_JUMPS / 2 && kept <= SPARE_JUMPS / 2 + (20 * 64 * CHUNK) / 2_400_000,
    `${kept}`,
  );
});

test('what takes least space for what it saves is stored again first', () => {
  const bound = createJumpBound({ ...LIMITS, rate: 0 });
  const long = range(0, 40).map((n) => old(n, 2));
  const short = range(0, SPARE_JUMPS).flatMap((n) => [fresh, old(2 * n, 3)]);
  const pieces = [...short, fresh, ...long, fresh];
  const again = new Set(bound(pieces));
  assert.ok(pieces.every(({ at }, i) => at?.pack !== 2 || !again.has(i)));
  assert.ok(again.size > 0);
});

test('a gap costs no more than reading what is in it', () => {
  const bound = createJumpBound({ ...LIMITS, rate: 0.5 });
  assert.deepEqual(bound(range(0, 400).map((n) => old(n + Math.floor(n / 4)))), []);
});

test('what can not be stored again is read where it lies', () => {
  const bound = createJumpBound({ ...LIMITS, rate: 0 });
  const pieces = range(0, 60).map((n) => (n % 2 ? { ...old(n), mayMove: false } : fresh));
  assert.deepEqual(bound(pieces), []);
});

test('without a bound every chunk is taken where it is', () => {
  const bound = createJumpBound({ ...LIMITS, rate: Infinity });
  assert.deepEqual(bound(range(0, 1000).map((n) => old((n * 7919) % 1000))), []);
});

test('whatever a file is made of, from any batch on jumps cost no more than the bound says', () => {
  const { below } = createChance(seed);
  for (let round = 0; round < 200; round++) {
    const rate = [0.1, 1, 3][round % 3];
    const bound = createJumpBound({ ...LIMITS, rate });
    const batches = range(0, 12).map(() => {
      const pieces = randomBatch(below);
      return laidOut(pieces, bound(pieces));
    });
    for (let start = 0; start < batches.length; start++) {
      const pieces = batches.slice(start).flat();
      const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
      // One more for where the medium stands when the reading starts.
      const most = (SPARE_JUMPS + 1) * LIMITS.seekBytes + rate * bytes;
      assert.ok(jumpsIn(pieces) <= most, `seed ${seed}, round ${round}, batch ${start}`);
    }
  }
});

/** Runs of old data here and there, gaps, and new data between them. */
function randomBatch(below: (limit: number) => number): Piece[] {
  const pieces: Piece[] = [];
  while (pieces.length < 64) {
    const length = 1 + below(below(4) === 0 ? 40 : 4);
    const from = below(100_000);
    const pack = 1 + below(3);
    const gap = below(3) === 0 ? below(30) : 0;
    for (let i = 0; i < length; i++) pieces.push(gap % 2 ? fresh : old(from + i * (1 + gap), pack));
  }
  return pieces;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../src/policy/explain.js';
import type { FileFacts } from '../../src/policy/types.js';
import { facts, fills, HOUR, LARGEST_PACKED, ruleSet } from './facts.js';

function said(changes: Partial<FileFacts>, nvme = 10) {
  const file = facts(changes);
  return explain(file, ruleSet().placementFor(file), fills(nvme));
}

test('a hot model is told when it goes down', () => {
  assert.deepEqual(said({ idleMs: 4 * HOUR }), {
    rule: 'default: models are plain on the fastest tier, cold ones packed on the slowest',
    now: 'It is plain on nvme.',
    next: 'If nobody opens it for another 20 hours, it is packed to hdd (cold-after). nvme is 10 percent full; above 80 files go down, coldest first.',
  });
});

test('a packed model is told what brings it up', () => {
  const { now, next } = said({ plainTier: null, packedTier: 'hdd' });
  assert.equal(now, 'It is packed on hdd.');
  assert.match(next, /When it is opened it comes up to nvme \(promote=open\)\./);
});

test('a pinned file is told that nothing moves it', () => {
  const { rule, next } = said({ pin: 'nvme' });
  assert.equal(rule, 'pinned to nvme');
  assert.equal(next, 'Nothing moves it while it is pinned.');
});

test('a file on a tier above its watermark is told why it goes', () => {
  assert.match(said({}, 90).next, /nvme is 90 percent full, above 80: files go down until 60/);
});

test('a file that is too large to be packed is told that it stays plain, and why', () => {
  const { rule, next } = said({ size: LARGEST_PACKED + 1 });
  assert.match(rule, /^default: models .*; it stays plain, since it is larger than 50\.0 MiB$/);
  assert.match(next, /it is moved to hdd/);
});

test('an adapter, an open file, an empty file and one that is due each get their sentence', () => {
  assert.match(said({ path: '/models/adapters/a' }).next, /Neither time nor watermarks/);
  assert.match(said({ open: true }).next, /It is open: a move ends when the last handle closes\./);
  assert.match(said({ plainTier: null, size: 0 }).now, /It is empty/);
  assert.match(said({ idleMs: 30 * HOUR }).next, /At the next sweep, it is packed to hdd/);
  assert.match(said({ packedTier: 'hdd' }).now, /packed on hdd as well/);
  assert.match(said({ path: '/archive/a', plainTier: 'hdd' }).next, /as soon as it settles/);
});

test('nobody is told of going down from the slowest tier', () => {
  const packed = said({ plainTier: null, packedTier: 'hdd' });
  assert.doesNotMatch(packed.next, /percent full|go down/);
  assert.match(
    said({ plainTier: 'hdd' }).next,
    /hdd is 10 percent full; above 80 files are packed,/,
  );
  const index = facts({ path: '/vectors/i', fileClass: 'vector-index', plainTier: 'hdd' });
  const { next } = explain(index, ruleSet().placementFor(index), fills());
  assert.doesNotMatch(next, /percent full/);
});

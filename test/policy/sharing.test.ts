import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayShare, pairsOf, type Sampled, type SharePair } from '../../src/policy/sharing.js';
import type { FileFacts } from '../../src/policy/types.js';
import { facts, MiB } from './facts.js';

const CANDIDATES: readonly [string, Partial<FileFacts>, boolean][] = [
  ['a settled model may', {}, true],
  ['one that is open for reading may be what others share with', { open: true }, true],
  ['a pin to where it is changes nothing', { pin: 'nvme' }, true],
  ['one that is pinned elsewhere is about to go', { pin: 'ssd' }, false],
  ['a small file is not worth it', { size: MiB - 1 }, false],
  ['one that may have been written to since is left alone', { settled: false }, false],
  ['one that was just opened is left alone', { idleMs: 100 }, false],
  ['a database is written in place', { fileClass: 'database' }, false],
  ['a vector index is written in place', { fileClass: 'vector-index' }, false],
  ['packed data is deduplicated as it is', { plainTier: null, packedTier: 'hdd' }, false],
];

for (const [name, changes, expected] of CANDIDATES) {
  test(`candidates: ${name}`, () => assert.equal(mayShare(facts(changes), 5000), expected));
}

/** Four samples, one letter each; its blocks lie at places of its own unless said otherwise. */
function file(ino: number, letters: string, changes: Partial<Sampled> = {}): Sampled {
  const hashes = [...letters].map((letter) => (letter === '.' ? 0 : letter.charCodeAt(0)));
  const places = hashes.map((_, i) => ino * 1000 + i);
  return { ino, size: MiB, heat: 0, open: false, hashes, places, sharedBytes: 0, ...changes };
}

const never = () => false;

function pairs(files: Sampled[], compared: (pair: SharePair) => boolean = never): string {
  return pairsOf(files, compared)
    .map(({ source, target }) => `${target}<-${source}`)
    .join(' ');
}

const abcd = (ino: number, changes?: Partial<Sampled>) => file(ino, 'abcd', changes);
/** One sample in seventeen is the same in all of these. */
const mostlyOwn = (ino: number, letter: string) => file(ino, `a${letter.repeat(16)}`);
/** Where the blocks of file 1 lie. */
const ofFirst = { places: file(1, 'abcd').places, sharedBytes: MiB };

const PAIRS: readonly [string, Sampled[], string][] = [
  ['equal files become one', [abcd(1), abcd(2)], '2<-1'],
  ['three equal files have one source', [abcd(1), abcd(2), abcd(3)], '2<-1 3<-1'],
  ['files with nothing in common are left alone', [abcd(1), file(2, 'efgh')], ''],
  [
    'one equal sample of many is not worth reading both',
    [mostlyOwn(1, 'x'), mostlyOwn(2, 'y')],
    '',
  ],
  [
    'one equal sample is, where all the others are shared',
    [abcd(1), abcd(2, { places: [1000, 1001, 1002, 2003], sharedBytes: MiB - 4096 })],
    '1<-2',
  ],
  [
    'a rest between the samples of equal files is shared as well',
    [abcd(1, ofFirst), abcd(2, { ...ofFirst, sharedBytes: MiB - 4096 })],
    '2<-1',
  ],
  ['zeros are no likeness', [file(1, '....'), file(2, '....')], ''],
  ['what shares already is not compared again', [abcd(1, ofFirst), abcd(2, ofFirst)], ''],
  ['the hot file keeps its blocks', [abcd(1), abcd(2, { heat: 1 })], '1<-2'],
  ['an open file keeps its blocks', [abcd(1, { heat: 1 }), abcd(2, { open: true })], '1<-2'],
  ['of two open files neither is touched', [abcd(1, { open: true }), abcd(2, { open: true })], ''],
  [
    'a file that shares is not moved away from the others',
    [abcd(1, ofFirst), abcd(2, ofFirst), abcd(3, { heat: 9 })],
    '3<-1',
  ],
  [
    'a fine-tune takes from the file that it has most in common with',
    [file(1, 'abxy'), file(2, 'abcz'), file(3, 'abcd', { heat: -1 })],
    '2<-1 3<-2',
  ],
  [
    'what it has from one already does not count for another',
    [
      file(1, 'abxy', { sharedBytes: 3 * MiB }),
      file(2, 'abcd', { sharedBytes: 2 * MiB }),
      file(3, 'abcd', { places: [1000, 1001, 3002, 3003], sharedBytes: MiB }),
    ],
    '2<-1 3<-2',
  ],
];

for (const [name, files, expected] of PAIRS) {
  test(`pairs: ${name}`, () => {
    assert.equal(pairs(files), expected);
    assert.equal(pairs(files.toReversed()), expected);
  });
}

test('pairs: what was compared is not compared again, the next best is', () => {
  const files = [abcd(1), file(2, 'abcz'), file(3, 'abcd')];
  const compared = new Set(['1 2', '1 3']);
  const known = ({ source, target }: SharePair) => compared.has(`${source} ${target}`);
  assert.equal(pairs(files, known), '3<-2');
  compared.add('2 3');
  assert.equal(pairs(files, known), '');
});

/** What passes through the binding of fuse-native in 32-bit words comes out as it went in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeAttributes,
  encodeEntry,
  encodeStatistics,
  unseal,
  wide,
} from '../../../src/fuse/fuse-native/encoding.js';
import type { Attributes } from '../../../src/fuse/operations.js';

const WORD = 2 ** 32;

function attributes(changes: Partial<Attributes>): Attributes {
  const times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
  const numbers = {
    ino: 7,
    size: 0,
    blocks: 0,
    btimeSec: 0,
    btimeNsec: 0,
    mode: 0o100644,
    nlink: 1,
  };
  const owner = { uid: 0, gid: 0, rdev: 0, blockSize: 4096, generation: 0 };
  return { ...times, ...numbers, ...owner, attributesValid: 0, entryValid: 0, ...changes };
}

/** As native/libfuse2/encoding.cc takes a time apart. */
function timeAt(words: Uint32Array, at: number): { sec: bigint; nsec: bigint } {
  const packed = BigInt(words[at]) + BigInt(words[at + 1]) * BigInt(WORD);
  return { sec: (packed >> 30n) - 2n ** 31n, nsec: packed & (2n ** 30n - 1n) };
}

test('who asks and for what is told apart from a path that has colons and commas itself', () => {
  const sealed = unseal('1000,1001,4242,12,1,-5:/a:b,c/d');
  assert.deepEqual(sealed.caller, { uid: 1000, gid: 1001, pid: 4242 });
  assert.equal(sealed.opcode, 12);
  assert.deepEqual(sealed.words, [1, -5]);
  assert.equal(sealed.path, '/a:b,c/d');
});

test('a file without a name any more has no path', () => {
  const { words, path } = unseal('0,0,1,15:');
  assert.deepEqual(words, []);
  assert.equal(path, '');
});

test('times keep their nanoseconds, before 1970 and after 2038', () => {
  const seconds = [0, 1, -1, -(2 ** 31), 2 ** 31 - 1, 2 ** 31, 2 ** 34 - 2 ** 31 - 1];
  for (const sec of seconds) {
    for (const nsec of [0, 1, 999_999_999]) {
      const words = encodeAttributes(attributes({ mtimeSec: sec, mtimeNsec: nsec }));
      assert.deepEqual(timeAt(words, 14), { sec: BigInt(sec), nsec: BigInt(nsec) });
    }
  }
});

test('a time beyond what 34 bits carry is the nearest that they do', () => {
  const words = encodeAttributes(attributes({ atimeSec: -(2 ** 40), ctimeSec: 2 ** 40 }));
  assert.equal(timeAt(words, 12).sec, -(2n ** 31n));
  assert.equal(timeAt(words, 16).sec, 2n ** 34n - 2n ** 31n - 1n);
});

test('sizes, blocks and inode numbers are not cut to 32 bits', () => {
  const size = 5 * WORD + 17;
  const ino = 3 * WORD + 9;
  const words = encodeAttributes(attributes({ size, ino, blocks: 2 * WORD + 1 }));
  assert.equal(wide(words[3], words[4]), size);
  assert.equal(wide(words[10], words[11]), 2 * WORD + 1);
  assert.equal(wide(words[7], words[5]), ino);
});

test('an entry of a directory has its number and type', () => {
  const words = encodeEntry(WORD + 2, 4);
  assert.equal(words[0], 0o040000);
  assert.equal(wide(words[7], words[5]), WORD + 2);
});

test('a volume of more than 16 TiB has its size in df', () => {
  const blocks = (40 * 2 ** 40) / 4096;
  const words = encodeStatistics({
    ...{ blocks, freeBlocks: blocks / 2, availableBlocks: blocks / 4, blockSize: 4096 },
    ...{ files: 2 ** 40, freeFiles: 2 ** 40 - 5, nameLength: 255 },
  });
  assert.equal(words[1] * words[2], blocks * 4096);
  assert.equal(words[1] * words[3], (blocks / 2) * 4096);
  assert.equal(words[1] * words[4], (blocks / 4) * 4096);
  assert.equal(words[5], WORD - 1);
  assert.equal(words[10], 255);
});

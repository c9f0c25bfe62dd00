/** The bytes of an inode: format 1 is read for ever, and everything survives the round trip. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FILE_CLASSES } from '../../src/config/file-class.js';
import { decodeInode, encodeInode } from '../../src/namespace/inode-record.js';
import type { Inode } from '../../src/namespace/types.js';

const INODE: Inode = {
  ino: 42,
  generation: 1,
  mode: 0o100640,
  uid: 1000,
  gid: 4294967294,
  rdev: 0,
  nlink: 2,
  size: 988_097_824,
  atimeSec: 1_700_000_000,
  atimeNsec: 1,
  mtimeSec: -1,
  mtimeNsec: 999_999_999,
  ctimeSec: 1_700_000_002,
  ctimeNsec: 3,
  btimeSec: 8_589_934_592,
  btimeNsec: 4,
  parent: 9_007_199_254_740_991,
  name: 'caf\u00e9 \u00ff\n',
  target: '',
  plainTier: 1,
  plainBlocks: 1_929_880,
  packedTier: 255,
  packedBytes: 702_113_020,
  digest: '000102030405060708090a0b0c0d0eff',
  heat: 0.03125,
  heatAt: 1_700_000_000_123,
  fileClass: 'model',
  pin: 3,
  hasAcl: false,
  unsettled: true,
};

/** Written by format 1; what this reads must never change. */
const GOLDEN =
  '01030101ff030007000081a0000003e8fffffffe000000000000000200000001' +
  '41cd729690000000413d72980000000041c4ecb27e000000433fffffffffffff' +
  '3fa00000000000004278bcfe5687b00041d954fc40000000bff0000000000000' +
  '41d954fc408000004200000000000000000000013b9ac9ff0000000300000004' +
  '000102030405060708090a0b0c0d0eff636166e920ff0a';

test('an inode record of format 1 is read and written byte for byte', () => {
  assert.deepEqual(decodeInode(42, Buffer.from(GOLDEN, 'hex')), INODE);
  assert.equal(encodeInode(INODE).toString('hex'), GOLDEN);
});

test('every field of every class, link and empty inode survives', () => {
  for (const fileClass of FILE_CLASSES) {
    const variants: Inode[] = [
      { ...INODE, fileClass },
      { ...INODE, fileClass, digest: '', unsettled: false, name: '' },
      { ...INODE, fileClass, hasAcl: true },
      { ...INODE, fileClass, mode: 0o120777, target: '/x'.repeat(2047), name: 'n'.repeat(255) },
    ];
    for (const inode of variants) assert.deepEqual(decodeInode(42, encodeInode(inode)), inode);
  }
});

test('a record of another version, a torn one or one of nonsense is an error, not an inode', () => {
  const record = encodeInode(INODE);
  const newer = Buffer.from(record);
  newer[0] = 2;
  const nonsense = Buffer.from(record);
  nonsense[2] = 200;
  assert.throws(() => decodeInode(42, newer), { code: 'EIO', message: /version 2/ });
  assert.throws(() => decodeInode(42, nonsense), { code: 'EIO' });
  for (let length = 0; length < record.length; length += 7) {
    assert.throws(() => decodeInode(42, record.subarray(0, length)), { code: 'EIO' });
  }
});

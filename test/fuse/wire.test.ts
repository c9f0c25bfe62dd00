// The kernel's structures, byte for byte: a wrong offset here gives programs wrong sizes, times or names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { negotiate } from '../../src/fuse/init.js';
import { OPCODES } from '../../src/fuse/opcodes.js';
import type { Attributes, Operations } from '../../src/fuse/operations.js';
import { InitFlag, Opcode } from '../../src/fuse/protocol.js';
import {
  DirectoryWriter,
  writeAttributesReply,
  writeEntry,
  writeOpened,
  writeStatistics,
  writeStatx,
} from '../../src/fuse/replies.js';
import { ReplyWriter, RequestView } from '../../src/fuse/wire.js';

const attributes: Attributes = {
  ino: 2 ** 40 + 7,
  size: 2 ** 41 + 5,
  blocks: 12,
  atimeSec: -1,
  atimeNsec: 1,
  mtimeSec: 2 ** 33,
  mtimeNsec: 2,
  ctimeSec: 3,
  ctimeNsec: 4,
  btimeSec: 5,
  btimeNsec: 6,
  mode: 0o100644,
  nlink: 2,
  uid: 1000,
  gid: 1001,
  rdev: 0,
  blockSize: 4096,
  generation: 1,
  attributesValid: 60,
  entryValid: 61,
};

const writer = () => new ReplyWriter(Buffer.alloc(4096, 0xee));

/** A request with `body` after the 40 bytes of header. */
function request(opcode: number, nodeid: number, body: Buffer): RequestView {
  const bytes = Buffer.alloc(40 + body.length + 64);
  bytes.writeUInt32LE(40 + body.length, 0);
  bytes.writeUInt32LE(opcode, 4);
  bytes.writeBigUInt64LE(99n, 8);
  bytes.writeBigUInt64LE(BigInt(nodeid), 16);
  bytes.writeUInt32LE(7, 24);
  bytes.writeUInt32LE(8, 28);
  bytes.writeUInt32LE(9, 32);
  body.copy(bytes, 40);
  const view = new RequestView(bytes);
  view.length = 40 + body.length;
  return view;
}

test('replies have the sizes of the kernel structures', () => {
  const sizes: [number, (out: ReplyWriter) => void][] = [
    [128, (out) => writeEntry(out, attributes)],
    [128, (out) => writeEntry(out, { ...attributes, ino: 0 })],
    [104, (out) => writeAttributesReply(out, attributes)],
    [16, (out) => writeOpened(out, { handle: 1, flags: 2, backingId: 3 })],
    [288, (out) => writeStatx(out, attributes)],
    [
      80,
      (out) =>
        writeStatistics(out, {
          blocks: 1,
          freeBlocks: 1,
          availableBlocks: 1,
          files: 1,
          freeFiles: 1,
          blockSize: 4096,
          nameLength: 255,
        }),
    ],
  ];
  for (const [size, write] of sizes) {
    const out = writer();
    write(out);
    assert.equal(out.position, size);
  }
});

test('large sizes and times before 1970 arrive whole', () => {
  const out = writer();
  writeAttributesReply(out, attributes);
  assert.equal(out.bytes.readBigUInt64LE(16), 2n ** 40n + 7n);
  assert.equal(out.bytes.readBigUInt64LE(24), 2n ** 41n + 5n);
  assert.equal(out.bytes.readBigInt64LE(40), -1n);
  assert.equal(out.bytes.readBigInt64LE(48), 2n ** 33n);
});

test('a directory reply never exceeds the room the kernel gave', () => {
  const out = writer();
  const sink = new DirectoryWriter(out, 100, false);
  const cookie = Buffer.from('0123456789abcdef', 'hex');
  assert.ok(sink.add('a'.repeat(20), 5, 8, cookie, null));
  assert.ok(sink.add('b'.repeat(20), 6, 8, cookie, null));
  const before = out.position;
  assert.ok(!sink.add('c'.repeat(20), 7, 8, cookie, null));
  assert.equal(out.position, before);
  assert.equal(before, 2 * 48);
  assert.equal(out.bytes.readBigUInt64LE(8), 0x0123456789abcdefn);
});

test('names of any bytes survive decoding', () => {
  const from = Buffer.from([0xff, 0x2f ^ 0x80, 0x0a, 0x80]);
  const to = Buffer.from([0xc3, 0x28]);
  const body = Buffer.concat([Buffer.alloc(16), from, Buffer.from([0]), to, Buffer.from([0])]);
  body.writeBigUInt64LE(42n, 0);
  body.writeUInt32LE(2, 8);
  const seen: unknown[] = [];
  const operations = {
    rename: (_caller: unknown, ...rest: unknown[]) => void seen.push(...rest),
  } as unknown as Operations;
  const view = request(Opcode.RENAME2, 3, body);
  OPCODES[Opcode.RENAME2]!.run(operations, { uid: 0, gid: 0, pid: 0 }, view, writer());
  assert.deepEqual(seen, [3, from.toString('latin1'), 42, to.toString('latin1'), 2]);
});

test('a truncated request cannot make a name run past its end', () => {
  const view = request(Opcode.LOOKUP, 1, Buffer.from('abc'));
  assert.equal(view.name(0), 'abc');
});

function init(minor: number, offered: number): RequestView {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(7, 0);
  body.writeUInt32LE(minor, 4);
  body.writeUInt32LE(offered % 2 ** 32, 12);
  body.writeUInt32LE(Math.floor(offered / 2 ** 32), 16);
  return request(Opcode.INIT, 0, body);
}

test('passthrough is asked for only where the kernel offers it', () => {
  const all = Object.values(InitFlag).reduce((sum, flag) => sum + flag, 0);
  const out = writer();
  assert.equal(negotiate(init(45, all), out, true).passthrough, true);
  assert.equal(out.position, 64);
  assert.equal(out.bytes.readUInt32LE(36), 1, 'max_stack_depth');
  assert.equal(negotiate(init(45, all), writer(), false).passthrough, false);
  assert.equal(negotiate(init(38, all - InitFlag.PASSTHROUGH), writer(), true).passthrough, false);
});

test('a kernel that is too old is refused by name', () => {
  assert.throws(() => negotiate(init(19, 0), writer(), true), /FUSE 7\.19/);
});

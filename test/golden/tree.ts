/**
 * What is put into a golden volume: every form that bytes have on disk, and everything that a directory tree
 * can hold. The same bytes each time; small, since archives of it are kept for ever.
 */
import { mkdirSync } from 'node:fs';
import { link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ggufFile } from '../../scripts/fixtures/gguf-writer.js';
import { must } from '../../scripts/lib/process.js';
import { safetensorsFile } from '../../scripts/fixtures/safetensors-writer.js';
import { noise } from '../e2e/content.js';
import type { TestVolume } from '../e2e/harness.js';
import { chmod, chown, lutimens, S } from '../posix/system/attributes.js';
import { below, type Path } from '../posix/system/calls.js';
import { createFile } from '../posix/system/files.js';
import { mkfifo, mknod, symlink as symlinkBytes } from '../posix/system/names.js';
import { lsetxattr, setxattr } from '../posix/system/xattrs.js';

/** A directory that stays empty: tests of the volume write there. */
export const NEW = 'new';
/** Files on the hard disk that are packed, and the one that came up again and kept its recipe. */
export const PACKED = 'packed';
export const PACKED_ON_SSD = 'packed-on-ssd.txt';
export const PROMOTED = 'promoted.txt';

const NOT_UTF8 = Buffer.from([0x63, 0x61, 0x66, 0xe9, 0xff, 0x80]);

/** Bytes that compress well. */
export function words(length: number, seed: number): Buffer {
  const list = ['warm', 'shallow', 'clear', 'calm', 'deep', 'green', 'wide', 'old'];
  const choices = noise(length, seed);
  let text = '';
  for (let i = 0; text.length < length; i++)
    text += `the ${list[choices[i] % 8]} water of a reef, `;
  return Buffer.from(text.slice(0, length));
}

/** Bytes that compress well, and less alike than words: chunks of them have the usual lengths. */
function numbers(length: number, seed: number): Buffer {
  const choices = noise(length, seed);
  let text = '';
  for (let i = 0; text.length < length; i++) text += `${choices[i]} fish of the reef, `;
  return Buffer.from(text.slice(0, length));
}

/** Makes the tree in a mounted, empty volume and moves each file to where it is to be found. */
export async function fillVolume(volume: TestVolume): Promise<void> {
  await mkdir(volume.at(NEW));
  await putPlain(volume);
  await putPacked(volume);
  await volume.demote(PACKED);
  await putNextVersion(volume);
  await putOnOtherTiers(volume);
  putNames(volume.at('names'));
  await putLinks(volume);
  await putAttributes(volume);
  putTimes(volume.at('times'));
  await putPins(volume);
}

async function putPlain(volume: TestVolume): Promise<void> {
  await mkdir(volume.at('plain'));
  await writeFile(volume.at('plain/empty'), '');
  await writeFile(volume.at('plain/text'), words(6_000, 1));
  await writeFile(volume.at('plain/sparse'), 'begin');
  await truncate(volume.at('plain/sparse'), 300_000);
  await writeFile(volume.at('plain/sparse'), 'end', { flag: 'a' });
}

async function putPacked(volume: TestVolume): Promise<void> {
  await mkdir(volume.at(PACKED));
  const put = (name: Path, data: Buffer): void => {
    createFile(below(volume.at(PACKED), name), data);
  };
  const text = words(90_000, 2);
  put('text', text);
  put('text-again', text);
  put('text-with-more', Buffer.concat([text.subarray(0, 51_000), noise(999, 3), text]));
  put('noise', noise(20_000, 4));
  put('zeros-within', Buffer.concat([words(20_000, 5), Buffer.alloc(400_000), noise(3_000, 6)]));
  put('only-zeros', Buffer.alloc(300_000));
  put('short', Buffer.from('a chunk of few bytes'));
  const tensors = new Map([
    ['embedding', noise(17_002, 7)],
    ['norm', words(200, 8)],
    ['attention', words(18_002, 9)],
  ]);
  put('model.safetensors', safetensorsFile(tensors));
  const metadata = new Map([['general.name', { type: 'string', value: 'golden' } as const]]);
  put('model.gguf', ggufFile(metadata, new Map([...tensors].reverse())));
  put(NOT_UTF8, words(2_000, 10));
}

/** With so many changes that some of what did not change is stored again, to be read in order. */
async function putNextVersion(volume: TestVolume): Promise<void> {
  const version = numbers(4_000_000, 17);
  const name = join(PACKED, 'version');
  await writeFile(volume.at(`${name}-1`), version);
  await volume.demote(`${name}-1`);
  for (let at = 0; at < version.length; at += 128 * 1024) version.write('a change', at);
  await writeFile(volume.at(`${name}-2`), version);
  await volume.demote(`${name}-2`);
}

async function putOnOtherTiers(volume: TestVolume): Promise<void> {
  await writeFile(volume.at('plain-on-ssd.txt'), words(5_000, 11));
  await volume.promote('plain-on-ssd.txt', 'ssd');
  await writeFile(volume.at(PACKED_ON_SSD), words(40_000, 12));
  await volume.demote(PACKED_ON_SSD, 'ssd');
  await writeFile(volume.at(PROMOTED), words(30_000, 13));
  await volume.demote(PROMOTED);
  await volume.promote(PROMOTED);
}

function putNames(directory: string): void {
  mkdirSync(directory);
  for (const name of ['a\nb "c" \\', 'x'.repeat(255), '\u{1fab8}', NOT_UTF8]) {
    createFile(below(directory, name), `content of ${name.length}`);
  }
}

async function putLinks(volume: TestVolume): Promise<void> {
  await mkdir(volume.at('links'));
  await link(volume.at('plain/text'), volume.at('links/to-plain'));
  await link(volume.at(PACKED, 'noise'), volume.at('links/to-packed'));
  await symlink('../plain/text', volume.at('links/relative'));
  await symlink(`/${'nowhere/'.repeat(200)}`, volume.at('links/long-and-dangling'));
  symlinkBytes(NOT_UTF8, volume.at('links/not-utf8'));
  mkfifo(volume.at('links/fifo'), 0o640);
  mknod(volume.at('links/socket'), S.IFSOCK | 0o600);
  mknod(volume.at('links/null'), S.IFCHR | 0o666, 1, 3);
  mknod(volume.at('links/disk'), S.IFBLK | 0o660, 259, 300);
}

async function putAttributes(volume: TestVolume): Promise<void> {
  const at = (name: string): string => volume.at('attributes', name);
  await mkdir(at('inherits'), { recursive: true });
  await must('setfacl', ['-d', '-m', 'u:4321:rwx,g::r-x', at('inherits')]);
  await writeFile(at('inherits/file'), 'inherited');
  await writeFile(at('acl'), 'with a list');
  await must('setfacl', ['-m', 'u:1234:r,g:2345:rw,m:rw', at('acl')]);
  await writeFile(at('xattrs'), words(3_000, 14));
  setxattr(at('xattrs'), 'user.text', 'hub/model');
  setxattr(at('xattrs'), 'user.empty', '');
  setxattr(at('xattrs'), 'user.binary', noise(300, 15));
  setxattr(at('xattrs'), 'trusted.root', Buffer.from([0, 1, 255]));
  await symlink('target', at('link'));
  lsetxattr(at('link'), 'trusted.link', 'of the link itself');
  await writeFile(at('set-id'), 'runs as another');
  chown(at('set-id'), 1234, 2345);
  chmod(at('set-id'), 0o6751);
  await mkdir(at('sticky'));
  chmod(at('sticky'), 0o1777);
  await volume.demote('attributes/xattrs');
}

/** Seconds before 1970, and ones that need more than 32 bits; nanoseconds throughout. */
function putTimes(directory: string): void {
  mkdirSync(directory);
  const times = [-1n, -1_234_567_890_123_456_789n, 999_999_999n, 9_999_999_999_123_456_789n];
  for (const time of times) {
    const path = below(directory, `at ${time}`);
    createFile(path, String(time));
    lutimens(path, time, time);
  }
}

async function putPins(volume: TestVolume): Promise<void> {
  await mkdir(volume.at('pinned'));
  await writeFile(volume.at('pinned/below'), 'pinned by its directory');
  await volume.must('pin', volume.at('pinned'), '--to', 'nvme');
  await writeFile(volume.at('pinned.txt'), words(4_000, 16));
  await volume.promote('pinned.txt', 'ssd');
  await volume.must('pin', volume.at('pinned.txt'), '--to', 'ssd');
}

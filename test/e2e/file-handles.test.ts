/**
 * What an NFS server needs: a handle names a file for ever, also when the kernel has forgotten it and when
 * another daemon serves. Needs root, for open_by_handle_at(2).
 */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkout, scenario, type TestVolume } from './harness.js';
import { must, run } from '../../scripts/lib/process.js';

const CALLS = join(checkout, 'test/e2e/mount-calls.py');

const handleOf = async (path: string) => (await must('python3', [CALLS, 'handle', path])).trim();

const found = async (volume: TestVolume, handle: string) =>
  (await must('python3', [CALLS, 'open', volume.mountpoint, handle])).trim();

const lost = async (volume: TestVolume, handle: string) => {
  const result = await run('python3', [CALLS, 'open', volume.mountpoint, handle]);
  assert.notEqual(result.code, 0, result.stdout);
  return result.stderr;
};

/** Names and inodes of the mount leave the kernel's memory, and with them all that it knew. */
const forget = () => writeFile('/proc/sys/vm/drop_caches', '2');

const DEEP = 'a/b/c/d/e';

async function deepFile(volume: TestVolume): Promise<string> {
  const path = volume.at(DEEP, 'file');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, 'at the end');
  return path;
}

scenario('a handle finds its file after caches were dropped and after a remount', {}, async (v) => {
  const path = await deepFile(v);
  const { ino } = await stat(path);
  const handle = await handleOf(path);
  assert.equal(await found(v, handle), `file ${ino} at the end`);
  await forget();
  assert.equal(await found(v, handle), `file ${ino} at the end`);
  await v.demote(join(DEEP, 'file'));
  await v.remount();
  assert.equal(await found(v, handle), `file ${ino} at the end`, 'nothing was looked up by name');
  assert.equal((await stat(path)).ino, ino);
  assert.equal(await handleOf(path), handle);
});

scenario('a handle of a directory finds the way back to the root', {}, async (v) => {
  await deepFile(v);
  const handle = await handleOf(v.at(DEEP));
  const root = await handleOf(v.mountpoint);
  await v.remount();
  const { ino } = await stat(v.at(DEEP));
  await v.remount();
  assert.equal(await found(v, handle), `directory ${ino} file ${v.at(DEEP)}`);
  assert.equal(await found(v, root), `directory 1 a ${v.mountpoint}`);
});

scenario('a handle follows its file to another name, and ends with it', {}, async (v) => {
  const path = await deepFile(v);
  const handle = await handleOf(path);
  await rename(path, v.at('elsewhere'));
  await v.remount();
  assert.match(await found(v, handle), /^file \d+ at the end$/);
  await rm(v.at('elsewhere'));
  await v.remount();
  assert.match(await lost(v, handle), /Stale file handle/);
  await writeFile(v.at('elsewhere'), 'another file');
  assert.match(await lost(v, handle), /Stale file handle/);
});

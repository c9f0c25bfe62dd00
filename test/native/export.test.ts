/** The native half of `export`: what nobody sees through the command, which looks before it copies. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { native, Stat } from '../../src/native.js';

function scratch(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'coral-reef-export-'));
  context.after(() => rmSync(path, { recursive: true }));
  return path;
}

const MODES = Float64Array.of(0o100644);

test('a file that came to the target meanwhile is not overwritten', async (context) => {
  const root = scratch(context);
  const [from, to] = [join(root, 'from'), join(root, 'to')];
  writeFileSync(from, 'ours');
  writeFileSync(to, 'theirs');
  const { failures, bytes } = await native.exportEntries([from], [to], MODES, true, false);
  assert.deepEqual(
    failures.map(({ index, step, error }) => [index, step, error.code]),
    [[0, 'write', 'EEXIST']],
  );
  assert.equal(bytes, 0);
  assert.equal(readFileSync(to, 'utf8'), 'theirs');
  assert.deepEqual(readdirSync(root).sort(), ['from', 'to']);
});

test('a cancelled export makes nothing, and one that fails does not stop the next', async (context) => {
  const root = scratch(context);
  const [from, to, none] = ['from', 'to', 'none'].map((name) => join(root, name));
  writeFileSync(from, 'ours');
  const control = native.createCopyControl();
  control.cancel();
  const cancelled = await native.exportEntries([from], [to], MODES, true, false, control);
  assert.equal(cancelled.failures[0].error.code, 'ECANCELED');
  assert.deepEqual(readdirSync(root), ['from']);

  const two = Float64Array.of(0o100644, 0o100644);
  const result = await native.exportEntries([none, from], [`${to}-1`, to], two, true, true);
  assert.deepEqual(
    result.failures.map(({ index, step, error }) => [index, step, error.code]),
    [[0, 'read', 'ENOENT']],
  );
  assert.equal(result.bytes, 4);
  assert.equal(readFileSync(to, 'utf8'), 'ours');
  assert.equal(statSync(to).mtimeMs, statSync(from).mtimeMs);
});

test('what is listed as a file and is another thing by now is not opened as one', async (context) => {
  const root = scratch(context);
  const failed = await native.exportEntries([root], [join(root, 'to')], MODES, true, false);
  assert.equal(failed.failures[0].step, 'read');
  assert.deepEqual(readdirSync(root), []);
});

test('a directory that somebody put in the place of another gives none of its attributes', async (context) => {
  const root = scratch(context);
  const [from, to] = [join(root, 'from'), join(root, 'to')];
  mkdirSync(from, { mode: 0o700 });
  mkdirSync(to, { mode: 0o700 });
  const { mode, uid, gid } = statSync(from);
  const listed = Float64Array.of(mode, uid, gid);
  const keep = () => native.exportDirectories([from], [to], listed, true, false);
  utimesSync(from, 1, 1);
  assert.deepEqual((await keep()).failures, []);
  assert.equal(statSync(to).mtimeMs, 1000);
  chmodSync(from, 0o777);
  const { failures } = await keep();
  assert.deepEqual([failures[0].step, failures[0].error.code], ['read', 'ESTALE']);
  assert.equal(statSync(to).mode & 0o777, 0o700);
});

test('a large directory is listed whole, in parts, and a look says what is not there', async (context) => {
  const root = scratch(context);
  const names = Array.from({ length: 2000 }, (_, index) => `file-${index}`);
  for (const name of names) writeFileSync(join(root, name), name);
  const found = new Map<string, number>();
  const fd = await native.open(root, 0, 0);
  for (let ended = false; !ended;) {
    const part = await native.listDirectory(fd);
    part.names.forEach((name, index) =>
      found.set(name, part.stats[index * Stat.length + Stat.size]),
    );
    ended = part.last;
  }
  native.close(fd);
  assert.equal(found.size, names.length);
  for (const name of names) assert.equal(found.get(name), name.length);
  const look = await native.lookAt([join(root, 'none'), join(root, names[0])]);
  assert.deepEqual([look[Stat.mode], look[Stat.length + Stat.size]], [-2, names[0].length]);
});

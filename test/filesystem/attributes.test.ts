/** Attributes: times, modes and extended attributes that backups, build tools and people rely on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntrySink } from '../../src/fuse/operations.js';
import { SetattrValid } from '../../src/fuse/protocol.js';
import {
  afterCrash,
  fails,
  ME,
  NOTHING,
  O_RDWR,
  O_WRONLY,
  ROOT_INO,
  world,
  type World,
} from './world.js';

const OLD = { mtimeSec: -86_400 * 365, mtimeNsec: 123_456_789 };

async function setOldTime(w: World, ino: number): Promise<void> {
  await w.setattr(ino, { valid: SetattrValid.MTIME, ...OLD });
}

async function assertOldTime(w: World, ino: number): Promise<void> {
  const { mtimeSec, mtimeNsec } = await w.getattr(ino);
  assert.deepEqual({ mtimeSec, mtimeNsec }, OLD);
}

test('a time before 1970 that a program set survives opening, settling and reading back', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await setOldTime(w, ino);
  await assertOldTime(w, ino);
  await w.open(ino, O_RDWR);
  await assertOldTime(w, ino);
  await w.close(ino, O_RDWR);
  await assertOldTime(w, ino);
  await w.settle(ino);
  await assertOldTime(w, ino);
});

test('a time that a program set on a full tier survives settling, after a crash too', async (t) => {
  const before = await world(t);
  const ino = await before.add('a', 'data');
  await before.store.commit();
  const w = await afterCrash(t, before);
  await w.filesystem.recover(false);
  w.tiers.noteFull(w.tiers.byName('nvme')!);
  await setOldTime(w, ino);
  await w.settle(ino);
  await assertOldTime(w, ino);
});

test('a time set while a writer has the file open outlives its close', async (t) => {
  const w = await world(t);
  const ino = await w.add('a');
  await w.open(ino, O_WRONLY);
  w.write(ino, 'data');
  await setOldTime(w, ino);
  await w.close(ino, O_WRONLY);
  await w.settle(ino);
  await assertOldTime(w, ino);
});

for (const pack of [true, false]) {
  const form = pack ? 'packed' : 'plain';
  test(`a time that a program set survives the move to another tier, ${form}`, async (t) => {
    const w = await world(t);
    const ino = await w.add('a', 'data');
    await setOldTime(w, ino);
    await w.demote(ino, pack);
    await assertOldTime(w, ino);
    await w.open(ino, O_RDWR);
    await w.close(ino, O_RDWR);
    await w.settle(ino);
    await assertOldTime(w, ino);
  });
}

test('an empty file that was never opened keeps its time when it is opened', async (t) => {
  const w = await world(t);
  const { ino } = await w.operations.mknod(ME, ROOT_INO, 'a', 0o100644, 0);
  await setOldTime(w, ino);
  await w.open(ino, O_WRONLY);
  await w.close(ino, O_WRONLY);
  await assertOldTime(w, ino);
});

test('writing moves the times of a file, as make(1) needs', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await setOldTime(w, ino);
  const before = Date.now() / 1000 - 1;
  await w.open(ino, O_WRONLY);
  w.write(ino, 'more', 4);
  const during = await w.getattr(ino);
  assert.deepEqual([during.size, during.attributesValid], [8, 0]);
  await w.close(ino, O_WRONLY);
  const after = await w.getattr(ino);
  assert(after.mtimeSec >= before && after.ctimeSec >= before);
});

test('who changes the owner or writes does not hand on set-id rights', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  const mode = async () => (await w.getattr(ino)).mode & 0o7777;
  const allow = () => w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o6755 });
  await allow();
  assert.equal(await mode(), 0o6755);
  await w.setattr(ino, { valid: SetattrValid.UID, uid: 7 });
  assert.equal(await mode(), 0o755);
  await allow();
  // What the kernel sends before one writes who may not keep them.
  await w.open(ino, O_WRONLY);
  await w.setattr(ino, { valid: 0 });
  assert.equal(await mode(), 0o755);
  await w.close(ino, O_WRONLY);
  await allow();
  await w.setattr(ino, { valid: SetattrValid.SIZE | SetattrValid.KILL_SUIDGID, size: 1 });
  assert.equal(await mode(), 0o755);
});

test('root may write to a program without taking its set-id rights', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o6755 });
  await w.open(ino, O_WRONLY);
  w.write(ino, 'more', 4);
  await w.close(ino, O_WRONLY);
  assert.equal((await w.getattr(ino)).mode & 0o7777, 0o6755);
});

test('a set-gid bit that is no right stays where a member of the group writes', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  const mode = async () => (await w.getattr(ino)).mode & 0o7777;
  await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o6766 });
  await w.open(ino, O_WRONLY);
  await w.setattr(ino, { valid: 0 });
  assert.equal(await mode(), 0o2766);
  await w.operations.setattr({ uid: 9, gid: 9, pid: process.pid }, { ...NOTHING, ino, valid: 0 });
  assert.equal(await mode(), 0o766);
  await w.close(ino, O_WRONLY);
});

test('a stranger takes no set-id rights away by a chown that names nobody', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o6755 });
  const stranger = { uid: 9, gid: 9, pid: process.pid };
  const ask = () => w.operations.setattr(stranger, { ...NOTHING, ino, valid: 0 });
  await fails('EPERM', ask);
  assert.equal((await w.getattr(ino)).mode & 0o7777, 0o6755);
});

test('cp -p keeps set-id bits: it writes, sets the mode, then closes', async (t) => {
  const w = await world(t);
  const ino = await w.add('a');
  await w.open(ino, O_WRONLY);
  w.write(ino, 'data');
  await w.setattr(ino, { valid: SetattrValid.UID | SetattrValid.GID, uid: 5, gid: 5 });
  await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o4755 });
  await w.close(ino, O_WRONLY);
  await w.settle(ino);
  assert.equal((await w.getattr(ino)).mode & 0o7777, 0o4755);
});

test('extended attributes: made once, replaced only where there, listed and removed', async (t) => {
  const w = await world(t);
  const { operations: o } = w;
  const ino = await w.add('a');
  const [one, two] = [Buffer.from('one'), Buffer.from([0, 255])];
  await fails('ENODATA', () => o.setxattr(ME, ino, 'user.x', one, 2));
  await o.setxattr(ME, ino, 'user.x', one, 1);
  await fails('EEXIST', () => o.setxattr(ME, ino, 'user.x', two, 1));
  await o.setxattr(ME, ino, 'user.x', two, 2);
  assert.deepEqual(await o.getxattr(ME, ino, 'user.x'), two);
  assert.deepEqual(await o.listxattr(ME, ino), ['user.x']);
  await o.removexattr(ME, ino, 'user.x');
  await fails('ENODATA', () => o.getxattr(ME, ino, 'user.x'));
  await fails('ENODATA', () => o.removexattr(ME, ino, 'user.x'));
});

test('virtual attributes tell where a file is, and no copy carries them away', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  const text = async (key: string) =>
    (await w.operations.getxattr(ME, ino, `user.coral-reef.${key}`)).toString();
  assert.deepEqual([await text('tier'), await text('form')], ['nvme', 'plain']);
  await w.demote(ino, true);
  assert.deepEqual([await text('tier'), await text('form')], ['hdd', 'packed']);
  assert.deepEqual(await w.operations.listxattr(ME, ino), []);
  await fails('ENODATA', () => text('nonsense'));
  const value = Buffer.from('ssd');
  await fails('EPERM', () => w.operations.setxattr(ME, ino, 'user.coral-reef.tier', value, 0));
});

test('a pin set on a directory holds for what is made below it, until it is removed', async (t) => {
  const w = await world(t);
  const { operations: o } = w;
  const pin = 'user.coral-reef.pin';
  const directory = await w.mkdir('d');
  await fails('EINVAL', () => o.setxattr(ME, directory, pin, Buffer.from('tape'), 0));
  await o.setxattr(ME, directory, pin, Buffer.from('ssd\n'), 0);
  const ino = await w.add('a', 'x', directory);
  assert.equal((await o.getxattr(ME, ino, pin)).toString(), 'ssd');
  assert.equal((await o.getxattr(ME, ino, 'user.coral-reef.tier')).toString(), 'ssd');
  await o.removexattr(ME, directory, pin);
  await fails('ENODATA', () => o.removexattr(ME, directory, pin));
  await fails('ENODATA', () => o.getxattr(ME, ino, pin));
});

interface Listed {
  name: string;
  cookie: Buffer;
}

/** One readdir with room for so many entries. */
function page(w: World, ino: number, cookie: Buffer, room: number, plus = false): Listed[] {
  const found: Listed[] = [];
  const sink: EntrySink = {
    room: 1 << 20,
    add(name, _ino, _type, next, attributes) {
      if (found.length === room) return false;
      assert.equal(attributes !== null, plus && name !== '.' && name !== '..');
      found.push({ name, cookie: next });
      return true;
    },
  };
  w.operations.readdir(ME, { ino, cookie, plus }, sink);
  return found;
}

function list(w: World, ino: number, room: number, between: (names: string[]) => void): string[] {
  const names: string[] = [];
  for (let cookie = Buffer.alloc(8); ;) {
    const found = page(w, ino, cookie, room, true);
    if (found.length === 0) return names;
    names.push(...found.map(({ name }) => name));
    cookie = Buffer.from(found[found.length - 1].cookie);
    between(names);
  }
}

for (const room of [1, 2, 3, 50]) {
  test(`a listing in pages of ${room} has every name once, with . and ..`, async (t) => {
    const w = await world(t);
    const directory = await w.mkdir('d');
    const names = Array.from({ length: 20 }, (_, i) => `file-${i}`);
    for (const name of names) await w.add(name, '', directory);
    const listed = list(w, directory, room, () => undefined);
    assert.deepEqual(listed.slice(0, 2), ['.', '..']);
    assert.deepEqual(listed.slice(2).sort(), names.sort());
  });
}

test('rm -rf: removing what was listed hides no other name from the listing', async (t) => {
  const w = await world(t);
  const directory = await w.mkdir('d');
  for (let i = 0; i < 20; i++) await w.add(`file-${i}`, '', directory);
  const gone = new Set(['.', '..']);
  const listed = list(w, directory, 3, (names) => {
    for (const name of names) {
      if (!gone.has(name)) void w.operations.unlink(ME, directory, name);
      gone.add(name);
    }
  });
  assert.equal(new Set(listed).size, 22);
  await w.operations.rmdir(ME, ROOT_INO, 'd');
});

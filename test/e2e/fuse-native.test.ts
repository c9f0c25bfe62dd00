/** channel=fuse-native: programs find the same files and get the same answers as by the native channel. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import {
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rmdir,
  stat,
  unlink,
} from 'node:fs/promises';
import { isAlive, scenario } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { copyIn, sameListing } from './tree.js';
import { must, run, shell, waitFor } from '../../scripts/lib/process.js';

const CHANNEL = ['channel=fuse-native'];
const mount = CHANNEL;

scenario('a copied tree is the same tree, also after a remount', { mount }, async (volume) => {
  const source = await copyIn(volume);
  assert.equal((await volume.status()).passthrough, false);
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await volume.remount(CHANNEL);
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await sameListing(source, volume.at('tree'));
  await volume.remount();
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await sameListing(source, volume.at('tree'));
});

scenario('files are the same packed and promoted again', { mount }, async (volume) => {
  const source = await copyIn(volume);
  await volume.must('demote', volume.at('tree'), '--to', 'hdd', '--wait');
  assert.equal((await volume.where('tree/model/model.safetensors')).form, 'packed');
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await volume.must('promote', volume.at('tree'), '--to', 'ssd', '--wait');
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  assert.match(await volume.must('fsck', volume.mountpoint), /\S/);
});

scenario('a packed file can be written to in place', { mount }, async (volume) => {
  const expected = noise(3 * MiB);
  await put(volume.at('p.bin'), expected);
  await volume.demote('p.bin');
  const reader = await open(volume.at('p.bin'), 'r');
  assert.equal((await reader.read(Buffer.alloc(4), 0, 4, MiB)).bytesRead, 4);
  const writer = await open(volume.at('p.bin'), 'r+');
  expected.write('changed', 2 * MiB);
  await writer.write('changed', 2 * MiB);
  const { buffer } = await reader.read(Buffer.alloc(7), 0, 7, 2 * MiB);
  assert.equal(buffer.toString(), 'changed');
  await reader.close();
  await writer.close();
  assert.ok((await readFile(volume.at('p.bin'))).equals(expected));
});

scenario('an unlinked file lives as long as it is open', { mount }, async (volume) => {
  await mkdir(volume.at('d'));
  const handle = await open(volume.at('d/u'), 'w+');
  await handle.write(noise(MiB), 0, MiB, 0);
  await unlink(volume.at('d/u'));
  assert.deepEqual(await readdir(volume.at('d')), []);
  assert.equal((await handle.stat()).nlink, 0);
  await handle.truncate(MiB / 2);
  await handle.chmod(0o600);
  const { size, mode } = await handle.stat();
  assert.equal(size, MiB / 2);
  assert.equal(mode & 0o777, 0o600);
  await rmdir(volume.at('d'));
  const before = await volume.tierBytes('nvme');
  const { buffer } = await handle.read(Buffer.alloc(MiB / 2), 0, MiB / 2, 0);
  assert.ok(buffer.equals(noise(MiB).subarray(0, MiB / 2)));
  await handle.close();
  await waitFor('its bytes are given back', async () => {
    return (await volume.tierBytes('nvme')) <= before - MiB / 2;
  });
});

scenario('a file that is replaced while it is open lives on', { mount }, async (volume) => {
  await put(volume.at('a'), Buffer.from('old'));
  await put(volume.at('b'), Buffer.from('new'));
  const handle = await open(volume.at('a'), 'r');
  await rename(volume.at('b'), volume.at('a'));
  assert.equal(await handle.readFile('utf8'), 'old');
  assert.equal((await handle.stat()).nlink, 0);
  assert.equal(await readFile(volume.at('a'), 'utf8'), 'new');
  await handle.close();
  assert.deepEqual(await readdir(volume.mountpoint), ['a']);
});

scenario('a name that libfuse could have chosen is a name', { mount }, async (volume) => {
  const name = '.fuse_hidden0000000300000001';
  await put(volume.at('a'), Buffer.from('kept'));
  const handle = await open(volume.at('a'), 'r');
  await rename(volume.at('a'), volume.at(name));
  await handle.close();
  assert.deepEqual(await readdir(volume.mountpoint), [name]);
  assert.equal(await readFile(volume.at(name), 'utf8'), 'kept');
});

scenario('owner, mode and times are those of who made the file', { mount }, async (volume) => {
  await must('chmod', ['755', volume.root]);
  await mkdir(volume.at('public'));
  await must('chmod', ['777', volume.at('public')]);
  const make = 'umask 027; cd "$1"; echo x >file; mkdir dir; ln -s to link; mkfifo fifo';
  const asOther = ['--reuid=1002', '--regid=1001', '--clear-groups', 'bash', '-ec', make, 'bash'];
  await must('setpriv', [...asOther, volume.at('public')]);
  const seen = async (name: string) => {
    const { uid, gid, mode } = await lstat(volume.at('public', name));
    return [uid, gid, mode & 0o777];
  };
  assert.deepEqual(await seen('file'), [1002, 1001, 0o640]);
  assert.deepEqual(await seen('dir'), [1002, 1001, 0o750]);
  assert.deepEqual(await seen('link'), [1002, 1001, 0o777]);
  assert.deepEqual(await seen('fifo'), [1002, 1001, 0o640]);
  const file = volume.at('public/file');
  for (const time of ['1960-01-02 03:04:05.123456789', '2100-11-12 13:14:15.987654321']) {
    const before = (await stat(file, { bigint: true })).atimeNs;
    await must('touch', ['-m', '-d', `${time} UTC`, file]);
    assert.equal((await must('stat', ['-c', '%y', file])).slice(0, 29), time);
    assert.equal((await stat(file, { bigint: true })).atimeNs, before);
  }
});

scenario('names in any encoding, and long targets, come back', { mount }, async (volume) => {
  const names = [Buffer.from([0xff, 0xfe, 0x80]), Buffer.from('ü€😀'), Buffer.alloc(255, 0xe4)];
  for (const name of names) {
    await put(`${volume.root}/one`, name);
    await shell('cp "$1/one" "$1/mnt/$(cat "$1/one")"', [volume.root]);
  }
  const listed = await readdir(volume.mountpoint, { encoding: 'buffer' });
  const hex = (all: Buffer[]) => all.map((name) => name.toString('hex')).sort();
  assert.deepEqual(hex(listed), hex(names));
  const target = 'é'.repeat(2047);
  await must('ln', ['-s', target, volume.at('link')]);
  assert.equal((await must('readlink', [volume.at('link')])).trim(), target);
});

scenario('sizes beyond 4 GiB, holes and allocation work', { mount }, async (volume) => {
  const size = 5 * 2 ** 32 + 7;
  const handle = await open(volume.at('sparse'), 'w+');
  await handle.truncate(size);
  await handle.write('end', size - 3);
  assert.equal((await handle.stat()).size, size);
  const { buffer } = await handle.read(Buffer.alloc(3), 0, 3, size - 3);
  assert.equal(buffer.toString(), 'end');
  await handle.close();
  await must('fallocate', ['-l', '1M', volume.at('full')]);
  assert.equal((await stat(volume.at('full'))).size, MiB);
  assert.ok((await stat(volume.at('full'))).blocks >= 2048);
  await must('fallocate', ['-p', '-o', '0', '-l', '512K', volume.at('full')]);
  assert.ok((await stat(volume.at('full'))).blocks < 2048);
});

scenario('extended attributes up to 60 KB are kept', { mount }, async (volume) => {
  await put(volume.at('x'), Buffer.from('x'));
  const value = 'v'.repeat(60_000);
  const script = [
    'import os, sys',
    'path, value = sys.argv[1], sys.stdin.buffer.read()',
    'os.setxattr(path, "user.large", value)',
    'assert os.getxattr(path, "user.large") == value',
    'assert os.listxattr(path) == ["user.large"]',
    'os.removexattr(path, "user.large")',
    'assert os.listxattr(path) == []',
  ].join('\n');
  await must('python3', ['-c', script, volume.at('x')], { input: value });
  assert.match(await must('getfattr', ['-n', 'user.coral-reef.tier', volume.at('x')]), /nvme/);
});

scenario('two processes write one WAL database', { mount }, async (volume) => {
  const path = volume.at('chat.db');
  const schema = 'PRAGMA journal_mode=WAL; CREATE TABLE message (writer INT);';
  assert.match(await must('sqlite3', [path, schema]), /wal/);
  const input = (writer: number) =>
    `.timeout 30000\n${`INSERT INTO message VALUES (${String(writer)});\n`.repeat(50)}`;
  await Promise.all([1, 2].map((writer) => must('sqlite3', [path], { input: input(writer) })));
  await volume.remount(CHANNEL);
  const count = 'SELECT writer, count(*) FROM message GROUP BY writer ORDER BY writer;';
  assert.equal(await must('sqlite3', [path, count]), '1|50\n2|50\n');
  assert.equal(await must('sqlite3', [path, 'PRAGMA integrity_check;']), 'ok\n');
});

scenario('what was fsynced is there after the daemon was killed', { mount }, async (volume) => {
  const handle = await open(volume.at('kept'), constants.O_CREAT | constants.O_RDWR);
  await handle.write(noise(MiB), 0, MiB, 0);
  await handle.sync();
  await volume.killDaemon();
  await handle.close();
  await volume.mount(CHANNEL);
  const sum = await put(`${volume.root}/expected`, noise(MiB));
  assert.equal(await digestFile(volume.at('kept')), sum);
  assert.match(await volume.must('fsck', volume.mountpoint), /\S/);
});

scenario('after umount -l what is open works on until it is closed', { mount }, async (volume) => {
  const handle = await open(volume.at('late'), 'w+');
  await must('umount', ['-l', volume.mountpoint]);
  await handle.write('written late', 0);
  await handle.sync();
  await handle.close();
  await volume.mount(CHANNEL);
  assert.equal(await readFile(volume.at('late'), 'utf8'), 'written late');
});

scenario('a signal ends the daemon with what was written', { mount }, async (volume) => {
  await put(volume.at('a'), Buffer.from('written'));
  const pid = await volume.daemonPid();
  process.kill(pid, 'SIGTERM');
  await waitFor('the daemon ends', () => !isAlive(pid));
  await volume.mount();
  assert.equal(await readFile(volume.at('a'), 'utf8'), 'written');
});

scenario('ro is honoured, and mount(8) knows the type', { mount }, async (volume) => {
  await put(volume.at('a'), Buffer.from('x'));
  await volume.remount([...CHANNEL, 'ro', 'noexec', 'noatime']);
  const options = await must('findmnt', ['-no', 'FSTYPE,SOURCE,OPTIONS', volume.mountpoint]);
  assert.match(options, /^fuse\.coral-reef /);
  assert.ok(options.includes(volume.path));
  for (const word of ['ro', 'nosuid', 'nodev', 'noexec', 'noatime']) {
    assert.match(options, new RegExp(`[ ,]${word}(,|\\n)`));
  }
  const refused = await run('touch', [volume.at('b')]);
  assert.match(refused.stderr, /Read-only file system/);
});

/** Extended attributes: the user's own are kept, the filesystem's are virtual and never copied along. */
import assert from 'node:assert/strict';
import { open, readlink, utimes } from 'node:fs/promises';
import { scenario } from './harness.js';
import { MiB, noise, put } from './content.js';
import { must, run } from '../../scripts/lib/process.js';

const getAttribute = (path: string, name: string) =>
  must('getfattr', ['--absolute-names', '--only-values', '-n', name, path]);

scenario('the virtual attributes say where a file is', {}, async (volume) => {
  const file = volume.at('models/base/m.bin');
  await put(file, noise(2 * MiB));
  assert.equal(await getAttribute(file, 'user.coral-reef.tier'), 'nvme');
  assert.equal(await getAttribute(file, 'user.coral-reef.form'), 'plain');
  await volume.demote('models/base/m.bin');
  const row = await volume.where('models/base/m.bin');
  assert.equal(await getAttribute(file, 'user.coral-reef.tier'), 'hdd');
  assert.equal(await getAttribute(file, 'user.coral-reef.form'), 'packed');
  assert.equal(await getAttribute(file, 'user.coral-reef.class'), row.class);
  assert.equal(await getAttribute(file, 'user.coral-reef.temperature'), row.temperature);
  assert.ok(Number(await getAttribute(file, 'user.coral-reef.heat')) >= 0);
  assert.equal(Number(await getAttribute(file, 'user.coral-reef.stored')), row.storedBytes);
});

scenario('an attribute says how much of a file others use too', {}, async (volume) => {
  const shared = async (name: string) =>
    Number(await getAttribute(volume.at(name), 'user.coral-reef.shared'));
  const data = noise(4 * MiB);
  await put(volume.at('one'), data);
  await put(volume.at('two'), Buffer.concat([data, noise(MiB)]));
  assert.equal(await shared('one'), (await volume.where('one')).sharedBytes);
  await volume.demote('one');
  assert.equal(await shared('one'), 0);
  await volume.demote('two');
  for (const name of ['one', 'two']) {
    const { sharedBytes, storedBytes } = await volume.where(name);
    assert.equal(await shared(name), sharedBytes);
    assert.ok(sharedBytes > 3 * MiB && sharedBytes < storedBytes, `${name}: ${sharedBytes}`);
  }
  assert.equal(await getAttribute(volume.at('.'), 'user.coral-reef.shared'), '0');
  const set = ['-n', 'user.coral-reef.shared', '-v', '1', volume.at('one')];
  assert.notEqual((await run('setfattr', set)).code, 0);
});

scenario('virtual attributes are not listed and not copied', {}, async (volume) => {
  const file = volume.at('file');
  await put(file, noise(1000));
  await must('setfattr', ['-n', 'user.mine', '-v', 'kept', file]);
  await must('setfattr', ['-n', 'user.coral-reef.pin', '-v', 'ssd', file]);
  assert.equal((await volume.where('file')).pinned, 'ssd');
  const listed = await must('getfattr', ['--absolute-names', '-d', '-m', '-', file]);
  assert.match(listed, /user\.mine="kept"/);
  assert.doesNotMatch(listed, /user\.coral-reef/);
  await must('cp', ['-a', file, `${volume.root}/copy`]);
  assert.equal(await getAttribute(`${volume.root}/copy`, 'user.mine'), 'kept');
  assert.notEqual(
    (await run('getfattr', ['-n', 'user.coral-reef.tier', `${volume.root}/copy`])).code,
    0,
  );
  await must('setfattr', ['-x', 'user.coral-reef.pin', file]);
  assert.equal((await volume.where('file')).pinned, null);
});

scenario('own attributes survive moves and remounts', {}, async (volume) => {
  await put(volume.at('file'), noise(MiB));
  await must('setfattr', ['-n', 'user.origin', '-v', 'hub/model', volume.at('file')]);
  await volume.demote('file');
  await volume.remount();
  assert.equal(await getAttribute(volume.at('file'), 'user.origin'), 'hub/model');
  await must('setfattr', ['-x', 'user.origin', volume.at('file')]);
  assert.notEqual((await run('getfattr', ['-n', 'user.origin', volume.at('file')])).code, 0);
});

scenario('pinning to a tier that is not there is refused', {}, async (volume) => {
  await put(volume.at('file'), noise(1000));
  const args = ['-n', 'user.coral-reef.pin', '-v', 'tape', volume.at('file')];
  assert.notEqual((await run('setfattr', args)).code, 0);
  assert.equal((await volume.where('file')).pinned, null);
});

scenario('reading a packed file moves its access time', {}, async (volume) => {
  await put(volume.at('file'), noise(1000));
  await volume.demote('file');
  for (const data of ['asked for by the kernel', 'in its cache']) {
    await utimes(volume.at('file'), 1000, 2000);
    const handle = await open(volume.at('file'));
    assert.equal((await handle.read(Buffer.alloc(1000))).bytesRead, 1000);
    assert.ok((await handle.stat()).atimeMs > 2_000_000, data);
    await handle.close();
  }
});

scenario('symbolic links keep their target, also a dangling one', {}, async (volume) => {
  await must('ln', ['-s', '../nowhere/at all', volume.at('link')]);
  await volume.remount();
  assert.equal(await readlink(volume.at('link')), '../nowhere/at all');
});

scenario('permissions are enforced for other users', { mount: ['allow_other'] }, async (volume) => {
  await must('chmod', ['755', volume.root, volume.mountpoint]);
  await put(volume.at('private'), Buffer.from('secret'));
  await must('chmod', ['600', volume.at('private')]);
  await put(volume.at('public'), Buffer.from('open'));
  await must('chmod', ['644', volume.at('public')]);
  const asNobody = (...command: string[]) =>
    run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...command]);
  assert.equal((await asNobody('cat', volume.at('public'))).stdout, 'open');
  assert.notEqual((await asNobody('cat', volume.at('private'))).code, 0);
  assert.notEqual((await asNobody('touch', volume.at('new'))).code, 0);
});

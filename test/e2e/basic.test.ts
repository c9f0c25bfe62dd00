/** What every program relies on: files written to the mount are the files read from it, now and later. */
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, scenario } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { copyIn, sameListing } from './tree.js';
import { must, run, waitFor } from '../../scripts/lib/process.js';

scenario('a copied tree is the same tree, also after a remount', {}, async (volume) => {
  const source = await copyIn(volume);
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await volume.remount();
  await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
  await sameListing(source, volume.at('tree'));
});

scenario(
  'the same on ext4 and XFS media, through packing and back',
  { media: 'loop' },
  async (volume) => {
    assert.equal((await volume.status()).passthrough, true);
    const source = await copyIn(volume);
    await volume.must('demote', volume.at('tree'), '--to', 'hdd', '--wait');
    await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
    await volume.remount();
    await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
    await volume.must('promote', volume.at('tree'), '--to', 'ssd', '--wait');
    await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
    assert.match(await volume.must('fsck', volume.mountpoint), /\S/);
  },
);

scenario('rename, truncate, append, links and removal do what they say', {}, async (volume) => {
  await put(volume.at('a'), Buffer.from('one'));
  await put(volume.at('b'), Buffer.from('two'));
  await must('mv', [volume.at('a'), volume.at('b')]);
  assert.equal(await readFile(volume.at('b'), 'utf8'), 'one');
  assert.equal(await exists(volume.at('a')), false);
  await writeFile(volume.at('b'), ' and more', { flag: 'a' });
  await must('truncate', ['-s', '7', volume.at('b')]);
  assert.equal(await readFile(volume.at('b'), 'utf8'), 'one and');
  await must('ln', [volume.at('b'), volume.at('c')]);
  assert.equal((await stat(volume.at('c'))).nlink, 2);
  await must('rm', [volume.at('b')]);
  assert.equal(await readFile(volume.at('c'), 'utf8'), 'one and');
  await must('truncate', ['-s', '3M', volume.at('c')]);
  const grown = await readFile(volume.at('c'));
  assert.equal(grown.length, 3 * MiB);
  assert.ok(grown.subarray(7).every((byte) => byte === 0));
  await mkdir(volume.at('full/inner'), { recursive: true });
  assert.notEqual((await run('rmdir', [volume.at('full')])).code, 0);
  await must('rm', ['-r', volume.at('full'), volume.at('c')]);
  assert.equal(await must('ls', ['-A', volume.mountpoint]), '');
});

scenario(
  'files are the same with passthrough off',
  { mount: ['passthrough=off'] },
  async (volume) => {
    const source = await copyIn(volume);
    assert.equal((await volume.status()).passthrough, false);
    await must('diff', ['-r', '--no-dereference', source, volume.at('tree')]);
    const file = 'tree/model/model.safetensors';
    const expected = await digestFile(join(source, 'model/model.safetensors'));
    await volume.demote(file);
    assert.equal(await digestFile(volume.at(file)), expected);
    await volume.promote(file);
    assert.equal(await digestFile(volume.at(file)), expected);
  },
);

scenario('df shows the volume, and space is given back', {}, async (volume) => {
  const [size, free] = (await must('df', ['-B1', '--output=size,avail', volume.mountpoint]))
    .split('\n')[1]
    .trim()
    .split(/\s+/)
    .map(Number);
  assert.ok(size > 0 && free > 0 && free <= size);
  await put(volume.at('big'), noise(8 * MiB));
  const before = await volume.tierBytes('nvme');
  assert.ok(before >= 8 * MiB);
  await must('rm', [volume.at('big')]);
  await waitFor('the tier has its space back', async () => {
    return (await volume.tierBytes('nvme')) <= before - 8 * MiB + 64 * 1024;
  });
});

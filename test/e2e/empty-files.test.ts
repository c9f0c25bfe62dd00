/** Empty files, which have no backing file until somebody writes. */
import assert from 'node:assert/strict';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { must } from '../../scripts/lib/process.js';
import { digestFile, MiB, noise, put } from './content.js';
import { scenario } from './harness.js';

scenario('an empty file that mknod made is read on a read-only mount, too', {}, async (volume) => {
  const make = 'import os, sys, stat; os.mknod(sys.argv[1], stat.S_IFREG | 0o644)';
  await must('python3', ['-c', make, volume.at('empty')]);
  await volume.remount(['ro']);
  assert.equal(await readFile(volume.at('empty'), 'utf8'), '');
  const { ino } = await stat(volume.at('empty'));
  const name = ino.toString(16);
  assert.equal(await must('find', [volume.tier('nvme'), '-path', `*/files/*/${name}`]), '');
});

scenario(
  'who reads a packed file sees that it is cut to nothing, and what is written then',
  { mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const path = volume.at('packed.bin');
    await put(path, noise(MiB));
    await volume.demote('packed.bin');
    const reader = await open(path);
    const read = async () => {
      const { bytesRead, buffer } = await reader.read(Buffer.alloc(10), 0, 10, 0);
      return buffer.toString('latin1', 0, bytesRead);
    };
    assert.equal((await read()).length, 10);
    await truncate(path, 0);
    assert.equal(await read(), '');
    assert.equal((await reader.stat()).size, 0);
    await writeFile(path, 'new');
    assert.equal(await read(), 'new');
    await reader.close();
    const digest = await put(path, noise(MiB, 2));
    await volume.remount();
    assert.equal(await digestFile(path), digest);
  },
);

/** The ways people mount: mount(8), fstab, the foreground with Ctrl-C; and how each of them ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program, scenario, type TestVolume } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, run, waitFor } from '../../scripts/lib/process.js';

/** The program on the PATH, as an installation has it. */
async function installed(volume: TestVolume): Promise<NodeJS.ProcessEnv> {
  const bin = join(volume.root, 'bin');
  await mkdir(bin);
  await symlink(program, join(bin, 'coral-reef'));
  return { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
}

const isMounted = async (volume: TestVolume) =>
  (await run('mountpoint', ['-q', volume.mountpoint])).code === 0;

scenario(
  'mount -t fuse.coral-reef mounts, umount ends the daemon',
  { mount: null },
  async (volume) => {
    const env = await installed(volume);
    const type = ['-t', 'fuse.coral-reef', '-o', 'noatime,nodev,policy=balanced'];
    await must('mount', [...type, volume.path, volume.mountpoint], { env });
    const line = (await readFile('/proc/self/mounts', 'utf8'))
      .split('\n')
      .find((entry) => entry.includes(` ${volume.mountpoint} `));
    assert.match(line ?? '', / fuse\.coral-reef /);
    assert.match(line ?? '', /nodev/);
    const sum = await put(volume.at('file'), noise(MiB));
    const pid = await volume.daemonPid();
    await must('umount', [volume.mountpoint]);
    await waitFor(
      'the daemon ends',
      async () => (await run('kill', ['-0', String(pid)])).code !== 0,
    );
    await must('mount', [...type, volume.path, volume.mountpoint], { env });
    assert.equal(await digestFile(volume.at('file')), sum);
  },
);

scenario('a line in fstab mounts', { mount: null }, async (volume) => {
  const env = await installed(volume);
  const fstab = join(volume.root, 'fstab');
  const options = `nofail,x-systemd.requires-mounts-for=${volume.tier('nvme')},policy=balanced`;
  await writeFile(fstab, `${volume.path} ${volume.mountpoint} fuse.coral-reef ${options} 0 0\n`);
  await must('mount', ['-T', fstab, '-a'], { env });
  assert.equal(await isMounted(volume), true);
  await put(volume.at('file'), noise(MiB));
  assert.equal((await volume.where('file')).tier, 'nvme');
});

scenario(
  'mount(8) fails with the reason where the volume is not there',
  { mount: null },
  async (volume) => {
    const env = await installed(volume);
    const args = ['-t', 'fuse.coral-reef', join(volume.root, 'none'), volume.mountpoint];
    const result = await run('mount', args, { env });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /none/);
    assert.equal(await isMounted(volume), false);
  },
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  scenario(
    `${signal} in the foreground unmounts and ends with 0`,
    { mount: null },
    async (volume) => {
      const args = ['mount', volume.path, volume.mountpoint, '--foreground'];
      const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = new Promise<number | null>((resolve) => daemon.on('exit', resolve));
      await waitFor('it serves', () => isMounted(volume));
      const sum = await put(volume.at('file'), noise(MiB));
      daemon.kill(signal);
      assert.equal(await ended, 0);
      assert.equal(await isMounted(volume), false);
      await volume.mount();
      assert.equal(await digestFile(volume.at('file')), sum);
    },
  );
}

scenario('fusermount3 -u ends the daemon cleanly', {}, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB));
  const pid = await volume.daemonPid();
  await must('fusermount3', ['-u', volume.mountpoint]);
  await waitFor('the daemon ends', async () => (await run('kill', ['-0', String(pid)])).code !== 0);
  await volume.mount();
  assert.equal(await digestFile(volume.at('file')), sum);
});

scenario('a read-only mount shows everything and writes nothing', {}, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB));
  await volume.remount(['ro']);
  assert.equal(await digestFile(volume.at('file')), sum);
  await assert.rejects(writeFile(volume.at('new'), 'x'), { code: 'EROFS' });
});

/** The ways people mount: mount(8), fstab, the foreground with Ctrl-C; and how each of them ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program, scenario, type TestVolume } from './harness.js';
import { installed } from './installed.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, run, waitFor } from '../../scripts/lib/process.js';

const isMounted = async (volume: TestVolume) =>
  (await run('mountpoint', ['-q', volume.mountpoint])).code === 0;

scenario(
  'mount -t fuse.coral-reef mounts, umount ends the daemon',
  { mount: null },
  async (volume) => {
    const result = await installed(
      volume,
      `
    mount -t fuse.coral-reef -o noatime,nodev,policy=balanced "$1" "$2"
    grep " $2 " /proc/self/mounts
    echo kept >"$2/file"
    pid=$(daemon "$2")
    umount "$2"
    ended "$pid"
    mount -t fuse.coral-reef "$1" "$2"
    cat "$2/file"
    umount "$2"
    `,
    );
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, / fuse\.coral-reef .*nodev/);
    assert.match(result.stdout, /^kept$/m);
  },
);

scenario('a line in fstab mounts', { mount: null }, async (volume) => {
  const options = `nofail,x-systemd.requires-mounts-for=${volume.tier('nvme')},policy=balanced`;
  const fstab = join(volume.root, 'fstab');
  await writeFile(fstab, `${volume.path} ${volume.mountpoint} fuse.coral-reef ${options} 0 0\n`);
  const result = await installed(
    volume,
    'mount -T "$3/fstab" -a; echo kept >"$2/file"; coral-reef where "$2/file"; umount "$2"',
  );
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /nvme +plain/);
});

scenario(
  'mount(8) fails with the reason where the volume is not there',
  { mount: null },
  async (volume) => {
    const result = await installed(volume, 'mount -t fuse.coral-reef "$3/none" "$2"');
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /\/none/);
  },
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  scenario(
    `${signal} in the foreground unmounts and ends with 0`,
    { mount: null },
    async (volume) => {
      const args = ['mount', volume.path, volume.mountpoint, '--foreground'];
      const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      daemon.stderr.on('data', (data: Buffer) => (said += String(data)));
      const ended = new Promise<number | null>((resolve) => daemon.on('exit', resolve));
      await waitFor('it serves', () => isMounted(volume));
      const sum = await put(volume.at('file'), noise(MiB));
      daemon.kill(signal);
      assert.equal(await ended, 0, said);
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

scenario('systemd takes the units and the line of fstab', { mount: null }, async (volume) => {
  const result = await installed(
    volume,
    `
    examples=$(dirname "$4")/../mount-examples
    mkdir "$3/units" "$3/generated" && cd "$3/units"
    cp "$examples"/*.mount "$examples"/*.service "$examples"/*.timer .
    for unit in ./*; do systemd-analyze verify --man=no "$unit"; done
    SYSTEMD_FSTAB=$examples/fstab /usr/lib/systemd/system-generators/systemd-fstab-generator \
      "$3/generated" "$3/generated" "$3/generated"
    cat "$3/generated/"coral*.mount
    `,
  );
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, '');
  assert.match(result.stdout, /^RequiresMountsFor=\/mnt\/nvme \/mnt\/ssd \/mnt\/hdd$/m);
  assert.match(result.stdout, /^Type=fuse\.coral-reef$/m);
});

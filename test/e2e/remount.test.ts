/** What an operator changes on a mount that serves: read-only and back, flags, our own options. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { digestFile, MiB, noise, put } from './content.js';
import { scenario, type TestVolume } from './harness.js';
import { installed } from './installed.js';
import { must, run } from '../../scripts/lib/process.js';

interface Policy {
  settings: {
    coldAfterMs: number;
    watermarks: { high: number };
    migrateRate: number | null;
    promote: string;
  };
}

const remount = (volume: TestVolume, options: string) =>
  volume.must('mount', volume.path, volume.mountpoint, '-o', `remount,${options}`);

const refusal = async (volume: TestVolume, options: string) => {
  const args = ['mount', volume.path, volume.mountpoint, '-o', `remount,${options}`];
  const result = await volume.run(...args);
  assert.notEqual(result.code, 0, `accepted: ${options}`);
  return result.stderr;
};

const flags = async (volume: TestVolume) =>
  (await must('findmnt', ['-no', 'OPTIONS', volume.mountpoint])).trim().split(',');

const settings = async (volume: TestVolume) =>
  (await volume.json<Policy>('policy', 'show', volume.mountpoint)).settings;

scenario(
  'mount -o remount,ro protects what is there, remount,rw lets writers in',
  {},
  async (v) => {
    const sum = await put(v.at('file'), noise(2 * MiB));
    const pid = await v.daemonPid();
    await remount(v, 'ro');
    assert.ok((await flags(v)).includes('ro'));
    await assert.rejects(writeFile(v.at('new'), 'x'), { code: 'EROFS' });
    await assert.rejects(appendFile(v.at('file'), 'x'), { code: 'EROFS' });
    assert.equal(await digestFile(v.at('file')), sum);
    const refused = await v.run('demote', v.at('file'), '--to', 'hdd');
    assert.match(refused.stderr, /read-only.*remount,rw/);
    await remount(v, 'rw');
    await writeFile(v.at('new'), 'works again');
    await v.demote('file');
    assert.equal(await digestFile(v.at('file')), sum);
    assert.equal(await v.daemonPid(), pid);
  },
);

scenario('what was written before remount,ro survives the death of the daemon', {}, async (v) => {
  const sum = await put(v.at('deep/er/file'), noise(3 * MiB));
  await remount(v, 'ro');
  await v.killDaemon();
  await v.removeDeadMount();
  await v.mount();
  assert.equal(await digestFile(v.at('deep/er/file')), sum);
});

scenario('a volume that was mounted ro becomes writable', { mount: ['ro'] }, async (v) => {
  await remount(v, 'rw');
  const sum = await put(v.at('file'), noise(MiB));
  await v.demote('file');
  await v.remount();
  assert.equal(await digestFile(v.at('file')), sum);
});

scenario(
  'remount,ro is refused, and changes nothing, while a file is being written',
  {},
  async (v) => {
    const file = await open(v.at('file'), 'w');
    try {
      assert.match(await refusal(v, 'ro'), /open for writing/);
      await file.write('still writable');
      await v.must('demote', v.mountpoint, '--to', 'hdd');
    } finally {
      await file.close();
    }
    await remount(v, 'ro');
    assert.equal(await readFile(v.at('file'), 'utf8'), 'still writable');
  },
);

scenario('a paused migration is still paused after ro and rw', {}, async (v) => {
  await v.must('migration', 'pause', v.mountpoint);
  await remount(v, 'ro');
  await remount(v, 'rw');
  assert.equal((await v.status()).migration.state, 'paused');
});

scenario('flags change one by one, the others stay', { mount: ['noexec'] }, async (v) => {
  await remount(v, 'noatime');
  assert.deepEqual((await flags(v)).slice(0, 5), ['rw', 'nosuid', 'nodev', 'noexec', 'noatime']);
  await remount(v, 'exec,strictatime,sync');
  const now = await flags(v);
  for (const gone of ['noexec', 'noatime', 'relatime']) assert.ok(!now.includes(gone), gone);
  for (const there of ['nosuid', 'nodev', 'sync']) assert.ok(now.includes(there), there);
  await remount(v, 'nodiratime');
  assert.ok((await flags(v)).includes('nodiratime') && !(await flags(v)).includes('relatime'));
});

scenario('access times follow the flags that a remount gave', { mount: ['ro'] }, async (v) => {
  await remount(v, 'rw');
  assert.equal(await isListingNoted(v, 'at first'), true);
  await remount(v, 'noatime');
  assert.equal(await isListingNoted(v, 'under noatime'), false);
  await remount(v, 'relatime');
  assert.equal(await isListingNoted(v, 'under relatime'), true);
  await remount(v, 'nodiratime');
  assert.equal(await isListingNoted(v, 'under nodiratime'), false);
});

/** Whether listing a new directory moves its access time. */
async function isListingNoted(v: TestVolume, name: string): Promise<boolean> {
  const accessed = async (): Promise<number> => (await stat(v.at(name))).atimeMs;
  await mkdir(v.at(name));
  const before = await accessed();
  await setTimeout(20);
  await readdir(v.at(name));
  return (await accessed()) > before;
}

scenario('policy, watermarks, rates and times are changed while programs work', {}, async (v) => {
  const reader = spawn('sh', ['-c', 'read line; cat'], { cwd: v.mountpoint });
  await remount(v, 'policy=capacity,high=50,migrate-rate=0,cold-after=2h');
  const first = await settings(v);
  assert.equal(first.coldAfterMs, 7_200_000);
  assert.equal(first.watermarks.high, 50);
  assert.equal(first.promote, 'heat');
  assert.equal((await v.status()).migration.state, 'paused');
  await remount(v, 'migrate-rate=unlimited,cold-after=100ms,settle=100ms');
  const second = await settings(v);
  assert.deepEqual([second.watermarks.high, second.migrateRate], [50, null]);
  await put(v.at('file'), noise(MiB));
  await v.waitUntil('file', { tier: 'hdd', form: 'packed' });
  reader.stdin.end('\n');
  assert.deepEqual(await once(reader, 'exit'), [0, null]);
});

scenario('what is fixed at mounting, or wrong, is refused by name', {}, async (v) => {
  assert.match(await refusal(v, 'passthrough=off'), /passthrough=.*while the volume is mounted/);
  assert.match(await refusal(v, 'tier.hdd=/elsewhere'), /tier\.NAME=/);
  assert.match(await refusal(v, 'noallow_other'), /noallow_other/);
  assert.match(await refusal(v, 'high=101,ro'), /high=101/);
  assert.match(await refusal(v, 'tape.high=50'), /no tier "tape"/);
  assert.match(await refusal(v, 'colour=red'), /unknown option "colour"/);
  await writeFile(v.at('file'), 'nothing changed');
  await remount(v, 'passthrough=auto,missing-tier=fail');
});

scenario('without a mount there is nothing to remount', { mount: null }, async (v) => {
  assert.match(await refusal(v, 'ro'), /not mounted there/);
});

scenario(
  'mount(8) remounts by mount point, with and without fstab',
  { mount: null, timeoutMs: 400_000 },
  async (v) => {
    const line = `${v.path} ${v.mountpoint} fuse.coral-reef nofail,comment=x,x-a.b=c,high=60 0 0\n`;
    await writeFile(join(v.root, 'fstab'), line);
    const result = await installed(
      v,
      `
    mount -t coral-reef -o noexec,high=60 "$1" "$2"
    pid=$(daemon "$2")
    mount -o remount,ro "$2"
    ! touch "$2/file" 2>/dev/null
    findmnt -no OPTIONS "$2" | grep -q '^ro,.*noexec'
    mount -o remount,rw "$2"
    touch "$2/file"
    mount --bind "$3/fstab" /etc/fstab
    mount -o remount,ro "$2"
    ! touch "$2/other" 2>/dev/null
    mount -o remount "$2"
    touch "$2/other"
    [ "$(daemon "$2")" = "$pid" ]
    mount -o remount,high=70 "$2"
    coral-reef policy show "$2" --json
    umount "$2"
    ended "$pid"
    `,
    );
    assert.equal(result.code, 0, result.stderr);
    assert.equal((JSON.parse(result.stdout) as Policy).settings.watermarks.high, 70);
  },
);

scenario('an ordinary user can not remount what root mounted', {}, async (v) => {
  await must('chmod', ['755', v.root]);
  const args = ['--reuid=65534', '--regid=65534', '--clear-groups', 'mount', '-o', 'remount,ro'];
  assert.notEqual((await run('setpriv', [...args, v.mountpoint])).code, 0);
  await writeFile(v.at('file'), 'x');
});

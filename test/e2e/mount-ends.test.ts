/** How a mount ends while programs still use it, and how it comes back after its daemon died. */
import assert from 'node:assert/strict';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest, digestFile, MiB, noise, put } from './content.js';
import { scenario, type TestVolume } from './harness.js';
import { installed } from './installed.js';
import { must, run, waitFor } from '../../scripts/lib/process.js';

const isMounted = async (volume: TestVolume) =>
  (await run('mountpoint', ['-q', volume.mountpoint])).code === 0;

const ended = (pid: number) =>
  waitFor('the daemon ends', async () => (await run('kill', ['-0', String(pid)])).code !== 0);

const LAZY: Readonly<Record<string, (volume: TestVolume) => Promise<unknown>>> = {
  'umount -l': (volume) => must('umount', ['-l', volume.mountpoint]),
  'fusermount3 -u -z': (volume) => must('fusermount3', ['-u', '-z', volume.mountpoint]),
  'coral-reef unmount --lazy': (volume) => volume.must('unmount', '--lazy', volume.mountpoint),
};

/** Several programs are started one after the other; on a busy machine each takes seconds. */
const PATIENT = { timeoutMs: 400_000 };

for (const [how, detach] of Object.entries(LAZY)) {
  scenario(`files that are open are served to their end after ${how}`, PATIENT, async (volume) => {
    const bytes = noise(3 * MiB);
    await put(volume.at('packed'), bytes);
    await volume.demote('packed');
    const pid = await volume.daemonPid();
    const [packed, plain] = [
      await open(volume.at('packed')),
      await open(volume.at('plain'), 'wx+'),
    ];
    const gone = await open(volume.at('gone'), 'wx+');
    await rm(volume.at('gone'));
    await detach(volume);
    assert.equal(await isMounted(volume), false);
    await plain.writeFile(bytes);
    await gone.writeFile(bytes);
    assert.equal(digest(await readAll(gone)), digest(bytes));
    assert.equal(digest(await readAll(packed)), digest(bytes));
    process.kill(pid, 0);
    for (const file of [packed, gone, plain]) await file.close();
    await ended(pid);
    await volume.mount();
    assert.equal(await digestFile(volume.at('plain')), digest(bytes));
    await volume.must('fsck', volume.mountpoint);
  });
}

async function readAll(file: Awaited<ReturnType<typeof open>>): Promise<Buffer> {
  const { size } = await file.stat();
  const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
  return buffer;
}

scenario(
  'what a killed daemon left is mounted over by mount(8)',
  { ...PATIENT, mount: null },
  async (volume) => {
    await writeFile(
      join(volume.root, 'fstab'),
      `${volume.path} ${volume.mountpoint} fuse.coral-reef nofail,auto_unmount 0 0\n`,
    );
    const result = await installed(
      volume,
      `
    not_mounted() { ! grep -q " $1 " /proc/self/mountinfo; }
    mount -t coral-reef "$1" "$2"
    echo kept >"$2/file" && sync "$2/file"
    kill -KILL "$(daemon "$2")"
    ! cat "$2/file" 2>/dev/null
    mount -t fuse.coral-reef "$1" "$2"
    [ "$(cat "$2/file")" = kept ]
    umount "$2"
    mount --bind "$3/fstab" /etc/fstab
    mount -a && grep -q kept "$2/file"
    kill -KILL "$(daemon "$2")"
    until_true not_mounted "$2"
    mount -a && cat "$2/file"
    umount "$2"
    `,
    );
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stdout, 'kept\n');
  },
);

scenario(
  'the words of fstab for others are honoured or ignored',
  { mount: null },
  async (volume) => {
    const words =
      'rw,noexec,nosuid,nodev,noatime,dirsync,sync,nofail,_netdev,x-a=b,X-c=d,comment=e,auto,group,users';
    const result = await installed(
      volume,
      `mount -t coral-reef -o ${words},nosymfollow "$1" "$2"; findmnt -no OPTIONS "$2"
     umount "$2"`,
    );
    assert.equal(result.code, 0, result.stderr);
    const flags = result.stdout.trim().split(',');
    for (const word of ['noexec', 'nosuid', 'nodev', 'noatime', 'dirsync', 'sync', 'nosymfollow']) {
      assert.ok(flags.includes(word), `${word} in ${result.stdout}`);
    }
  },
);

scenario(
  'labels of SELinux are refused by name where there is none',
  { mount: null },
  async (v) => {
    const enforcing = await readFile('/sys/fs/selinux/enforce').catch(() => null);
    const result = await v.run(
      'mount',
      v.path,
      v.mountpoint,
      '-o',
      'context=system_u:object_r:x_t:s0',
    );
    if (enforcing === null) assert.match(result.stderr, /context=.*without SELinux/);
    else assert.equal(result.code, 0, result.stderr);
  },
);

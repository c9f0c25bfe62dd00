/**
 * What somebody without root has: a volume in the home directory, mounted through fusermount3. Needs root for
 * a mount namespace in which /dev/fuse is open to everybody, as distributions have it.
 */
import assert from 'node:assert/strict';
import { checkout, scenario, type TestVolume } from './harness.js';
import { run } from '../../scripts/lib/process.js';

/**
 * `user` runs as the owner of the volume in `$home/volume`, `other` as somebody else, both with the program on
 * the PATH; the script itself is root's. The checkout may lie where others can't go, so it is shown below
 * the root of the test.
 */
const SETUP = `
  root=$1 home=$1/home
  chmod 755 "$root"
  mkdir "$root/program" "$root/device" && mount --bind "$2" "$root/program"
  mount -t tmpfs none "$root/device" && mknod "$root/device/fuse" c 10 229
  chmod 666 "$root/device/fuse" && mount --bind "$root/device/fuse" /dev/fuse
  printf '%s\\n' "$3" >"$root/fuse.conf" && mount --bind "$root/fuse.conf" /etc/fuse.conf
  export HOME=$home PATH="$root/program/bin:$PATH"
  as() { local id=$1; shift; setpriv --reuid="$id" --regid="$id" --clear-groups "$@"; }
  user() { as 65534 "$@"; }
  other() { as 65533 "$@"; }
  refused() { ! "$@" 2>"$root/refusal" || { echo "not refused: $*" >&2; return 1; }; }
  until_true() { for i in $(seq 300); do ! "$@" 2>/dev/null || return 0; sleep 0.1; done; return 1; }
  said() { grep -q "$1" "$root/refusal" || { cat "$root/refusal" >&2; return 1; }; }
  pid() { user coral-reef status "$home/mnt" --json | sed 's/.*"pid":\\([0-9]*\\).*/\\1/'; }
  gone() { ! kill -0 "$1"; }
  ended() { ! pgrep --full -- "$home/" >/dev/null; }
  not_mounted() { ! grep -q " $home/mnt " /proc/self/mountinfo; }
  install -d -o 65534 -g 65534 "$home"
  cd "$home"
  user mkdir nvme hdd mnt
  user coral-reef init volume --tier nvme=nvme,medium=nvme --tier hdd=hdd,medium=hdd >/dev/null
`;

async function asUser(volume: TestVolume, fuseConf: string, script: string): Promise<string> {
  // A daemon whose mount is gone still writes its last copies; the folder is to be removed.
  const shell = ['bash', '-euo', 'pipefail', '-c', `${SETUP}${script}\nuntil_true ended`, 'bash'];
  const args = ['--mount', '--propagation', 'private', ...shell, volume.root, checkout, fuseConf];
  const result = await run('unshare', args, { timeoutMs: 380_000 });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  return result.stdout;
}

const NONE = { mount: null, timeoutMs: 400_000 } as const;

scenario('files of an ordinary user are kept, moved and found again', NONE, async (volume) => {
  const out = await asUser(
    volume,
    '',
    `
    user mkdir -p source/deep/er
    head -c 5000017 /dev/urandom >source/model && chmod 640 source/model
    seq 60000 >source/deep/er/text && : >source/empty && ln source/model source/hard
    ln -s ../model source/deep/link && touch -d 1965-01-02 source/deep
    chown -Rh 65534:65534 source
    setfattr -n user.note -v kept source/model
    user coral-reef mount volume mnt -o settle=100ms
    same() {
      user diff -r --no-dereference source mnt/tree
      [ "$(user getfattr --only-values -n user.note mnt/tree/model)" = kept ]
      user stat -c %h-%a-%u mnt/tree/model
      user cmp source/model mnt/tree/hard
    }
    user cp -a source mnt/tree && same
    user coral-reef demote mnt/tree --to hdd --wait
    user getfattr --only-values -n user.coral-reef.form mnt/tree/model && same
    user bash -c 'echo more >>mnt/tree/deep/er/text; echo more >>source/deep/er/text' && same
    user coral-reef unmount mnt && user coral-reef mount volume mnt && same
    user chmod u+s,g-r mnt/tree/model && user mv mnt/tree/model mnt/moved && user rm -r mnt/tree
    user bash -c 'exec 5<>mnt/moved; rm mnt/moved; head -c 5000017 <&5' | cmp - source/model
    [ "$(user ls -A mnt)" = "" ]
    refused user chown 0 mnt && refused user mknod mnt/null c 1 3
    user coral-reef fsck mnt >/dev/null && user coral-reef scrub mnt >/dev/null
    user fusermount3 -u mnt
    user coral-reef fsck volume >/dev/null
    ! grep -E '"level":(40|50)' volume/log/daemon.log >&2
    `,
  );
  assert.match(out, /^2-640-65534$/m);
  assert.match(out, /packed/);
});

scenario(
  'status and doctor say that there is no passthrough without root',
  NONE,
  async (volume) => {
    const out = await asUser(
      volume,
      '',
      `
    user coral-reef mount volume mnt
    user bash -c 'echo x >mnt/file; cat mnt/file'
    user coral-reef status mnt --json
    grep " $home/mnt " /proc/self/mountinfo
    user coral-reef doctor "$home/mnt"
    coral-reef doctor "$home/mnt"
    umount mnt
    `,
    );
    assert.match(out, /"passthrough":false/);
    assert.match(out, / rw,nosuid,nodev,relatime /);
    assert.equal(out.match(/passthrough: not permitted\n +User 65534 mounted it/g)?.length, 2, out);
  },
);

scenario('without allow_other nobody else looks into a mount', NONE, async (volume) => {
  await asUser(
    volume,
    '',
    `
    refused user coral-reef mount volume mnt -o allow_other
    said 'user_allow_other'
    user coral-reef mount volume mnt
    user bash -c 'echo mine >mnt/file; chmod 777 mnt/file'
    refused other cat mnt/file; said 'Permission denied'
    refused ls mnt
    refused other coral-reef status mnt; said 'only the user who mounted it'
    refused other fusermount3 -u mnt
    refused user coral-reef mount volume mnt -o remount,ro; said 'only root'
    user coral-reef mount volume mnt -o remount,high=60
    user coral-reef unmount mnt
    `,
  );
});

scenario('a tier that the user may not write to is not called read-only', NONE, async (volume) => {
  await asUser(
    volume,
    '',
    `
    mkdir theirs
    refused user coral-reef init new --tier a="$home/theirs"; said 'permission denied'
    chown 0 nvme
    refused user coral-reef mount volume mnt; said 'permission denied'
    `,
  );
});

scenario('with allow_other everybody may do what the modes say', NONE, async (volume) => {
  await asUser(
    volume,
    'user_allow_other',
    `
    user coral-reef mount volume mnt -o allow_other
    user bash -c 'echo open >mnt/open; echo closed >mnt/closed; chmod 600 mnt/closed; mkdir -m 777 mnt/all'
    [ "$(other cat mnt/open)" = open ]
    refused other cat mnt/closed; refused other touch mnt/new
    other bash -c 'echo theirs >mnt/all/theirs; mkdir mnt/all/sub'
    [ "$(stat -c %u:%g mnt/all/theirs mnt/all/sub | tr '\\n' ' ')" = '65533:65533 65533:65533 ' ]
    user coral-reef unmount mnt && user coral-reef mount volume mnt -o allow_other
    [ "$(other cat mnt/all/theirs)" = theirs ]
    user coral-reef unmount mnt
    `,
  );
});

scenario(
  'what a killed daemon left is mounted over, and goes by itself on request',
  NONE,
  async (v) => {
    await asUser(
      v,
      'user_allow_other',
      `
    user coral-reef mount volume mnt
    user bash -c 'echo kept >mnt/file; sync mnt/file'
    kill -KILL "$(pid)"
    refused user cat mnt/file
    user coral-reef mount volume mnt -o auto_unmount,allow_other
    [ "$(user cat mnt/file)" = kept ]
    kill -KILL "$(pid)"
    until_true not_mounted
    user coral-reef mount volume mnt
    [ "$(user cat mnt/file)" = kept ]
    user coral-reef unmount mnt
    `,
    );
  },
);

scenario('fstab lets a user mount and unmount', NONE, async (volume) => {
  const out = await asUser(
    volume,
    '',
    `
    echo "$home/volume $home/mnt fuse.coral-reef noauto,user,policy=balanced 0 0" >"$root/fstab"
    mount --bind "$root/fstab" /etc/fstab
    mkdir "$root/bin" "$root/was" && mount --bind /usr/local/bin "$root/was"
    find "$root/was" -mindepth 1 -maxdepth 1 -exec ln -s -t "$root/bin" {} +
    ln -sf "$root/program/bin/coral-reef" "$root/bin/coral-reef"
    mount --bind "$root/bin" /usr/local/bin
    user mount "$home/mnt"
    grep " $home/mnt " /proc/self/mountinfo
    user touch mnt/file
    daemon=$(pid)
    user umount "$home/mnt"
    until_true gone "$daemon"
    `,
  );
  assert.match(out, /nosuid,nodev,noexec.*user_id=65534/);
});

scenario(
  'the example for users makes a volume, mounts it, and can be run again',
  NONE,
  async (v) => {
    const out = await asUser(
      v,
      '',
      `
    for time in first second; do
      user "$root/program/mount-examples/user-mount" >/dev/null
      user bash -c 'echo "$1" >>coral-reef/file' bash "$time"
    done
    user cat coral-reef/file
    user fusermount3 -u coral-reef
    `,
    );
    assert.equal(out, 'first\nsecond\n');
  },
);

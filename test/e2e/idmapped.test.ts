/**
 * Idmapped mounts (Linux 6.12): a container sees the files with its own user ids. Whatever a script prints
 * through an idmapped bind mount of ext4, it must print through one of the volume.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout, scenario } from './harness.js';
import { shell } from '../../scripts/lib/process.js';

const CALLS = join(checkout, 'test/e2e/mount-calls.py');

/** `$1` is a directory, `$2` its idmapped view: 1000 to 1009 on it are 2000 to 2009 there. */
const SCRIPT = `
  cd "$1"
  as() { local id=$1; shift; setpriv --reuid="$id" --regid="$id" --clear-groups "$@"; }
  try() { "$@" 2>/dev/null || echo "refused: $*"; }
  owners() { (cd "$1" && find . -printf '%P %U:%G %m %y\\n' | LC_ALL=C sort); }
  umask 022
  mkdir own shared secret && chown 1000:1000 own && chmod 700 own && chown 1005:1005 shared && chmod 2777 shared
  echo old >own/old && chown 1000:1001 own/old && chmod 640 own/old
  chown 1001:1001 secret && chmod 700 secret
  python3 "$3" idmap "$1" "$2" 1000 2000 10
  cd "$2"
  echo == seen; owners .
  as 2000 bash -ec 'cd own; cat old; echo new >new; mkdir dir; ln -s new link; mkfifo fifo; ln new hard'
  as 2000 bash -ec 'echo changed >>own/old; mv own/new own/moved; touch -d @1 own/moved'
  as 2001 touch shared/of-2001
  try as 2001 ls secret; try as 2000 ls secret
  try as 1000 touch own/stranger; try as 1000 cat own/old
  chown 2003:2004 own/moved; try chown 3000 own/moved; try touch shared/root
  as 2003 setfattr -n user.x -v y own/moved 2>/dev/null || echo 'not into own'
  echo == through the view; owners .
  cd "$1"; umount "$2"
  echo == on the filesystem; owners .; cat own/old
`;

scenario('owners are mapped as ext4 maps them', { media: 'loop' }, async (volume) => {
  await chmod(volume.root, 0o755);
  const outputs: string[] = [];
  for (const base of [volume.tier('nvme'), volume.mountpoint]) {
    const [real, view] = [join(base, 'real'), join(volume.root, 'view')];
    await mkdir(real);
    await mkdir(view, { recursive: true });
    outputs.push(await shell(SCRIPT, [real, view, CALLS]));
  }
  assert.match(outputs[0], /own\/dir 1000:1000 755 d/);
  assert.equal(outputs[1], outputs[0]);
});

scenario(
  'a packed file is read, and hydrated by a writer, through the view',
  {},
  async (volume) => {
    await chmod(volume.root, 0o755);
    const view = join(volume.root, 'view');
    await mkdir(view);
    const script = `
    cd "$1"; echo packed >file; chown 1000:1000 file; "$4" demote file --to hdd --wait 2>/dev/null >&2
    python3 "$3" idmap "$1" "$2" 1000 2000 1
    cat "$2/file"
    setpriv --reuid=2000 --regid=2000 --clear-groups bash -c 'echo more >>"$1/file"' bash "$2"
    umount "$2"
    cat file; stat -c %u file
  `;
    const args = [volume.mountpoint, view, CALLS, join(checkout, 'bin/coral-reef')];
    assert.equal(await shell(script, args), 'packed\npacked\nmore\n1000\n');
  },
);

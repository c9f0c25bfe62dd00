/**
 * Mounting with the system call as root, and through fusermount3 as somebody else. Needs root,
 * /dev/fuse and fusermount3.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { native } from '../../src/native.js';

const run = promisify(execFile);
const NOBODY = '65534';

describe('mount', () => {
  test('a missing mount point is named in the error', () => {
    assert.throws(() => native.mount('x', '/nonexistent/here', 'coral-test', 0, ''), {
      code: 'ENOENT',
      path: '/nonexistent/here',
    });
  });

  test('an option that the kernel does not know is an error', () => {
    const at = mkdtempSync(join(tmpdir(), 'coral-reef-mount-'));
    assert.throws(() => native.mount('x', at, 'coral-test', 0, 'no_such_option'), {
      code: 'EINVAL',
      syscall: 'mount',
    });
    rmSync(at, { recursive: true });
  });

  test('unmounting what is not mounted is an error', () => {
    assert.throws(() => native.unmount('/nonexistent/here', false), { code: 'ENOENT' });
  });

  test('without root the files are served through fusermount3, and refusals say why', async () => {
    const root = mkdtempSync(join(tmpdir(), 'coral-reef-helper-'));
    chmodSync(root, 0o755);
    copyProgram(root);
    mkdirSync(join(root, 'mnt'), { mode: 0o777 });
    chmodSync(join(root, 'mnt'), 0o777);
    mkdirSync(join(root, 'backing'));
    writeFileSync(join(root, 'backing', 'plain-a'), 'twelve bytes');
    chmodSync(join(root, 'backing', 'plain-a'), 0o666);
    writeFileSync(join(root, 'user.mjs'), userProgram(root));
    // A mount namespace of its own, with a device that everybody may open, as is usual.
    const script = `
      mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && chmod 666 /mnt/fuse &&
      mount --bind /mnt/fuse /dev/fuse &&
      exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups "$0" "$1"`;
    const program = [process.execPath, join(root, 'user.mjs')];
    const { stdout } = await run('unshare', ['-m', 'sh', '-c', script, ...program]);
    const seen = JSON.parse(stdout) as Record<string, unknown>;
    assert.match(seen.refusal as string, /^fusermount3: .*\/etc/);
    assert.equal(seen.viaHelper, true);
    assert.equal(seen.content, 'twelve bytes');
    assert.match(seen.mounts as string, /^a,b \S+ fuse\.coral-test ro,nosuid,nodev,noexec/m);
    assert.match(seen.mounts as string, /default_permissions,max_read=65536/);
    assert.equal(seen.end, 0);
    rmSync(root, { recursive: true });
  });
});

/** Copies what the program of another user needs to where that user can read it. */
function copyProgram(root: string): void {
  const built = fileURLToPath(new URL('../../..', import.meta.url));
  const parts = [
    'package.json',
    'dist/src/native.js',
    'dist/test/native/tiny-server.js',
    'native/build/Release/coral_reef.node',
  ];
  for (const part of parts) cpSync(join(built, part), join(root, part));
}

/** Tries a mount that is refused, serves one that is not, and prints what it met as JSON. */
function userProgram(root: string): string {
  return `
    import { execFile } from 'node:child_process';
    import { promisify } from 'node:util';
    import { serveTiny } from './dist/test/native/tiny-server.js';
    import { native } from './dist/src/native.js';
    const run = promisify(execFile);
    const RDONLY_NOSUID_NODEV_NOEXEC = 15;
    const at = ${JSON.stringify(join(root, 'mnt'))};
    let refusal = '';
    try {
      native.mount('x', '/etc', 'coral-test', 0, '');
    } catch (error) {
      refusal = error.message;
    }
    const options = 'default_permissions,max_read=65536';
    const { fd, viaHelper } = native.mount(
      'a,b', at, 'coral-test', RDONLY_NOSUID_NODEV_NOEXEC, options);
    const server = serveTiny(fd, ${JSON.stringify(join(root, 'backing'))}, ['plain-a']);
    const content = (await run('cat', [at + '/plain-a'])).stdout;
    const mounts = (await run('grep', [at, '/proc/mounts'])).stdout;
    native.unmount(at, false);
    const end = await server.ended;
    await server.session.stop();
    console.log(JSON.stringify({ refusal, viaHelper, content, mounts, end }));`;
}

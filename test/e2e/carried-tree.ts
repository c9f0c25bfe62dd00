/** A tree with all that a copy can lose, and what finds out whether it did. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { must, shell } from '../../scripts/lib/process.js';
import { MiB, noise, prose, put } from './content.js';

/** Links, holes, attributes, odd names, times and owners: what a copy can lose. */
export async function makeTree(root: string): Promise<void> {
  for (let index = 0; index < 60; index++) {
    const path = join(root, `folder-${String(index % 7)}/deeper/file ${String(index)}`);
    await put(path, prose(1 + index * 977, index));
  }
  await put(join(root, 'models/large.bin'), noise(3 * MiB + 5));
  await put(join(root, 'models/empty'), Buffer.alloc(0));
  const sparse = await open(join(root, 'models/sparse'), 'w');
  await sparse.write(noise(5000), 0, 5000, MiB);
  await sparse.truncate(8 * MiB);
  await sparse.close();
  const script = `
    cd "$1"
    ln models/large.bin hard
    ln models/large.bin folder-1/hard-too
    ln -s ../models/large.bin folder-2/soft
    ln -s nowhere dangling
    mkfifo pipe
    mkdir -m 1777 sticky
    chmod 4755 'folder-3/deeper/file 3'
    chmod 000 'folder-4/deeper/file 4'
    chown -R 1234:2345 folder-5
    setfattr -n user.note -v 'a value' models/large.bin folder-1
    setfattr -n trusted.note -v 0x00ff00 models/empty
    setfacl -m u:1234:rw,g:2345:- models/large.bin
    setfacl -m d:u:1234:rwx,u:1234:rx folder-0
    touch -h -d '1965-03-04 05:06:07.000000008' folder-2/soft 'folder-6/deeper/file 6'
    touch -d '2106-02-07 06:28:17.5' models
  `;
  await shell(script, [root]);
}

export const RSYNC = ['-aHAXS', '--checksum', '--numeric-ids'];

/** Nothing that rsync can see differs. */
export async function sameForRsync(from: string, to: string): Promise<void> {
  const dry = [...RSYNC, '--dry-run', '--itemize-changes', '--delete', `${from}/`, `${to}/`];
  assert.equal(await must('rsync', dry), '');
}

export async function isSparse(path: string): Promise<void> {
  const blocks = Number(await must('stat', ['-c', '%b', path]));
  assert.ok(blocks * 512 < MiB, `${path} takes ${String(blocks)} blocks`);
}

/** What neither tree may differ in, times to the nanosecond and those of directories included. */
export async function sameTree(from: string, to: string): Promise<void> {
  await sameForRsync(from, to);
  const list = async (root: string) => {
    const format = ['-printf', '%P %y %m %U:%G %T@ %l\n'];
    return (await must('find', [root, ...format])).split('\n').sort();
  };
  assert.deepEqual(await list(to), await list(from));
}

/** Beside what every copy can lose: what only few programs carry. */
export async function makeHardTree(root: string): Promise<void> {
  await makeTree(root);
  const script = `
    cd "$1"
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 folder-1/hard-too
    mknod device c 1 3
    printf 'not UTF-8' >"$(printf 'latin\\351')" && mkdir "$(printf 'folder \\377')"
    printf deep >"$(printf 'folder \\377/\\200')"
    chown 3333:4444 'folder-3/deeper/file 3' && chmod 6755 'folder-3/deeper/file 3'
    printf long >"$(printf 'n%.0s' $(seq 255))"
    ln -s nowhere linked && ln linked linked-too
    chmod 500 folder-6
    truncate -s 64M holes && printf end >>holes
    dd if=/dev/zero of=zeros bs=1M count=2 status=none
    touch -d '2001-01-01 01:01:01.123456789' folder-1 .
  `;
  await shell(script, [root]);
}

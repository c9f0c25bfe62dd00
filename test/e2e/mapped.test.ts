/** What a program changed through a mapping and never synced is there for all others, in both data paths. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { scenario } from './harness.js';
import { MiB, noise, put } from './content.js';
import { startSyscalls } from '../random/syscalls.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT = 300_000;

for (const mount of [[], ['passthrough=off']]) {
  const name = `who copies a file does not miss what is mapped and changed (${mount.join()})`;
  scenario(name, { mount }, async (volume, context) => {
    const calls = startSyscalls(context);
    await put(volume.at('mapped'), Buffer.alloc(0));
    await put(volume.at('copy'), Buffer.alloc(0));
    const fd = await calls.value<number>('open', volume.at('mapped'), constants.O_RDWR);
    const copy = await calls.value<number>('open', volume.at('copy'), constants.O_RDWR);
    await calls.value('ftruncate', fd, MiB);
    const mapping = await calls.value<number>('map', fd, MiB, 0, true);
    const bytes = noise(1000);
    await calls.give('mapWrite', bytes, mapping, AT);

    const data = await calls.value<number>('seek', fd, 0, SEEK_DATA);
    assert.ok(data <= AT && data > AT - 65_536, `data at ${String(data)}`);
    const hole = await calls.value<number>('seek', fd, AT, SEEK_HOLE);
    assert.ok(hole >= AT + bytes.length && hole < MiB, `a hole at ${String(hole)}`);
    assert.ok((await calls.take('mapRead', mapping, AT, bytes.length)).equals(bytes));

    await calls.give('mapWrite', bytes, mapping, 2 * AT);
    let copied = 0;
    while (copied < MiB) {
      const left = MiB - copied;
      copied += await calls.value<number>('copyRange', fd, copied, copy, copied, left);
    }
    const expected = Buffer.alloc(MiB);
    for (const at of [AT, 2 * AT]) bytes.copy(expected, at);
    assert.ok((await calls.take('readFile', volume.at('copy'))).equals(expected));
    await calls.end();
  });
}

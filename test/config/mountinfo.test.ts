/** Finding mounts in the kernel's list, also where their names hold blanks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bytesOf,
  isCoralReef,
  mountAt,
  mountOf,
  parseMountinfo,
  pathOnMount,
  readMounts,
  shown,
} from '../../src/config/mountinfo.js';

const TEXT = `\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 0:50 / /coral-reef rw,nosuid,nodev shared:5 master:2 - fuse.coral-reef /var/lib/coral-reef rw,user_id=0
37 22 0:51 / /mnt/with\\040blank\\134and\\011tab rw - fuse.coral-reef /vol\\0401 rw
38 36 8:2 / /coral-reef/inner rw - ext4 /dev/sdb rw
39 22 0:50 /models /srv/models ro - fuse.coral-reef /var/lib/coral-reef rw
40 22 0:52 / /coral-reefs rw - tmpfs tmpfs rw
41 22 0:53 / /twice rw - tmpfs tmpfs rw
42 41 0:54 / /twice rw - fuse.coral-reef /v2 rw
garbage
`;
const ENTRIES = parseMountinfo(TEXT);

test('a mount is found with its device, source and names as they really are', () => {
  assert.equal(ENTRIES.length, 8);
  const blank = ENTRIES[2];
  assert.equal(blank.mountpoint, '/mnt/with blank\\and\ttab');
  assert.equal(blank.source, '/vol 1');
  assert.equal(blank.device, '0:51');
  assert.ok(isCoralReef(blank));
  assert.ok(!isCoralReef(ENTRIES[0]));
  assert.ok(!isCoralReef(undefined));
});

test('a path belongs to the innermost mount, and to the topmost of several', () => {
  const mountOfPath = (path: string) => mountOf(ENTRIES, path)?.device;
  assert.equal(mountOfPath('/coral-reef'), '0:50');
  assert.equal(mountOfPath('/coral-reef/models/m'), '0:50');
  assert.equal(mountOfPath('/coral-reef/inner/file'), '8:2');
  assert.equal(mountOfPath('/coral-reefs/x'), '0:52');
  assert.equal(mountOfPath('/coral'), '8:1');
  assert.equal(mountOfPath('/twice/x'), '0:54');
  assert.equal(mountAt(ENTRIES, '/twice')?.device, '0:54');
  assert.equal(mountAt(ENTRIES, '/coral-reef/models'), undefined);
});

test('a path on a mount is told from the root of its volume, also through a bind mount', () => {
  const below = (path: string) => pathOnMount(mountOf(ENTRIES, path)!, path);
  assert.equal(below('/coral-reef'), '/');
  assert.equal(below('/coral-reef/a/b'), '/a/b');
  assert.equal(below('/srv/models'), '/models');
  assert.equal(below('/srv/models/m'), '/models/m');
});

test('names that are no UTF-8 survive', () => {
  assert.equal(bytesOf(shown(bytesOf('é'))), bytesOf('é'));
  const entry = parseMountinfo('1 2 0:9 / /m\xff rw - fuse.coral-reef /v rw')[0];
  assert.equal(entry.mountpoint, '/m\xff');
});

test('the list of this machine can be read', () => {
  assert.ok(readMounts().some((entry) => entry.mountpoint === '/proc'));
});

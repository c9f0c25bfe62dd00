/** Checks that a namespace made by `operations.ts` is whole and holds exactly what it should. */
import assert from 'node:assert/strict';
import { ROOT_INO, type Namespace } from '../../src/namespace/types.js';

export function checkNamespace(namespace: Namespace, expected: ReadonlyMap<string, number>): void {
  const found = new Map<string, number>();
  const linked = new Set<number>([ROOT_INO]);
  for (const entry of namespace.list(ROOT_INO)) {
    const inode = namespace.get(entry.ino);
    assert.ok(inode, `${entry.name} points to inode ${entry.ino}, which is not there`);
    assert.deepEqual([inode.parent, inode.name], [ROOT_INO, entry.name]);
    assert.equal(namespace.lookup(ROOT_INO, entry.name)?.ino, entry.ino);
    assert.deepEqual(namespace.listXattrs(entry.ino), ['user.born']);
    found.set(entry.name, inode.size);
    linked.add(entry.ino);
  }
  assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()));
  const inodes = [...namespace.inodes(0)];
  assert.deepEqual(new Set(inodes.map((inode) => inode.ino)), linked);
  assert.equal(namespace.counts.inodes, linked.size);
  const unsettled = inodes.filter((inode) => inode.unsettled).map((inode) => inode.ino);
  assert.deepEqual(namespace.unsettled(), unsettled);
}

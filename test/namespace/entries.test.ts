/** Directory entries: any name, any number, offsets that a reader can rely on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNameHash } from '../../src/namespace/cookie.js';
import type { Namespace } from '../../src/namespace/types.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import { randomNumbers, testSeed } from '../store/scratch.js';
import { DT_DIR, DT_REG, make, openScratch } from './open.js';

function names(namespace: Namespace, dir: number, cookie?: Buffer): string[] {
  return Array.from(namespace.list(dir, cookie), (entry) => entry.name);
}

/** Reads a directory as programs do: some entries at a time, going on from the last offset. */
function* readdir(namespace: Namespace, dir: number, batch: number): Generator<string[]> {
  for (let cookie: Buffer | undefined; ;) {
    const part = [];
    for (const entry of namespace.list(dir, cookie)) {
      if (part.length >= batch && !entry.cookie.equals(part.at(-1)!.cookie)) break;
      part.push(entry);
    }
    if (part.length === 0) return;
    cookie = Buffer.from(part.at(-1)!.cookie);
    yield part.map((entry) => entry.name);
  }
}

test('names of any bytes and of 255 bytes are found, listed and removed', async (t) => {
  const opened = await openScratch(t);
  const everyByte = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
  const all = [...everyByte, 'x'.repeat(255), '\u00ff'.repeat(255), 'caf\u00c3\u00a9'];
  all.forEach((name, i) => opened.namespace.insert(ROOT_INO, name, 100 + i, DT_REG));
  const { namespace } = await opened.reopen();
  for (const [i, name] of all.entries()) {
    assert.deepEqual(namespace.lookup(ROOT_INO, name)?.ino, 100 + i);
  }
  assert.deepEqual(names(namespace, ROOT_INO).sort(), [...all].sort());
  for (const name of all) namespace.remove(ROOT_INO, name);
  assert.equal(namespace.isEmpty(ROOT_INO), true);
});

test('a name of 256 bytes or none is refused', async (t) => {
  const { namespace } = await openScratch(t);
  const insert = (name: string): void => namespace.insert(ROOT_INO, name, 5, DT_REG);
  assert.throws(() => insert('x'.repeat(256)), { code: 'ENAMETOOLONG' });
  assert.throws(() => insert(''), { code: 'EINVAL' });
  assert.equal(namespace.lookup(ROOT_INO, 'x'.repeat(256)), undefined);
});

test('an entry is replaced by one of the same name', async (t) => {
  const { namespace } = await openScratch(t);
  namespace.insert(ROOT_INO, 'a', 5, DT_REG);
  namespace.insert(ROOT_INO, 'a', 6, DT_DIR);
  const entry = namespace.lookup(ROOT_INO, 'a');
  assert.deepEqual([entry?.ino, entry?.type, names(namespace, ROOT_INO).length], [6, DT_DIR, 1]);
});

test('directories do not see the entries of their neighbours', async (t) => {
  const { namespace } = await openScratch(t);
  for (const dir of [255, 256, 257]) namespace.insert(dir, `in ${dir}`, 9, DT_REG);
  assert.deepEqual(names(namespace, 256), ['in 256']);
  namespace.remove(256, 'in 256');
  assert.equal(namespace.isEmpty(256), true);
  assert.equal(namespace.isEmpty(257), false);
});

test('names that share a hash live side by side and are read together', async (t) => {
  const opened = await openScratch(t, { hash: () => Buffer.from('0000000000001234', 'hex') });
  const { namespace } = opened;
  const group = Array.from({ length: 16 }, (_, i) => `name ${i}`);
  group.forEach((name, i) => namespace.insert(ROOT_INO, name, 10 + i, DT_REG));
  assert.throws(() => namespace.insert(ROOT_INO, 'one more', 99, DT_REG), { code: 'ENOSPC' });
  namespace.insert(ROOT_INO, 'name 3', 77, DT_REG);
  const again = (await opened.reopen()).namespace;
  assert.deepEqual(names(again, ROOT_INO).sort(), [...group].sort());
  assert.equal(again.lookup(ROOT_INO, 'name 3')?.ino, 77);
  assert.equal(again.lookup(ROOT_INO, 'name 4')?.ino, 14);
  assert.equal(again.lookup(ROOT_INO, 'one more'), undefined);
  assert.equal([...readdir(again, ROOT_INO, 4)].length, 1);
  for (const name of group.slice(1)) again.remove(ROOT_INO, name);
  assert.deepEqual(names(again, ROOT_INO), ['name 0']);
  again.remove(ROOT_INO, 'name 0');
  assert.equal(again.isEmpty(ROOT_INO), true);
});

test('the offset of a name is positive, above the reserved ones and the same for ever', () => {
  const hash = createNameHash();
  assert.equal(hash('model.safetensors').toString('hex'), GOLDEN_COOKIE);
  for (let i = 0; i < 10_000; i++) {
    const cookie = hash(`name ${i}`).readBigUInt64BE();
    assert.ok(cookie >= 16n && cookie < 2n ** 63n);
    assert.equal(hash(`name ${i}`).readBigUInt64BE(), cookie);
  }
});

/** XXH3-64 of the name with the top bit cleared. */
const GOLDEN_COOKIE = '76589844123f34a2';

test('a reader sees every entry that stays, once, while others come and go', async (t) => {
  const random = randomNumbers(testSeed(t));
  const { namespace, store } = await openScratch(t, {}, { groupWrites: 50 });
  const staying = Array.from({ length: 500 }, (_, i) => `staying ${i}`);
  for (const name of staying) make(namespace, ROOT_INO, name);
  const seen: string[] = [];
  let guest = 0;
  for (const part of readdir(namespace, ROOT_INO, 7)) {
    seen.push(...part.filter((name) => name.startsWith('staying')));
    for (let i = 0; i < 5; i++) make(namespace, ROOT_INO, `guest ${guest++}`);
    namespace.remove(ROOT_INO, `guest ${Math.floor(random() * guest)}`);
    if (random() < 0.3) await store.commit();
    else if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(seen.sort(), staying.sort());
});

test('rm -r: removing each entry as it is read empties the directory', async (t) => {
  const { namespace } = await openScratch(t);
  for (let i = 0; i < 300; i++) make(namespace, ROOT_INO, `file ${i}`);
  await namespace.commit();
  for (const part of readdir(namespace, ROOT_INO, 10)) {
    for (const name of part) namespace.remove(ROOT_INO, name);
  }
  assert.equal(namespace.isEmpty(ROOT_INO), true);
});

test('any offset that a program seeks to is an end or a place, never the start again', async (t) => {
  const { namespace } = await openScratch(t);
  namespace.insert(ROOT_INO, 'a', 5, DT_REG);
  namespace.insert(ROOT_INO + 1, 'b', 6, DT_REG);
  assert.deepEqual(names(namespace, ROOT_INO, Buffer.alloc(8)), ['a']);
  assert.deepEqual(names(namespace, ROOT_INO, Buffer.alloc(8, 0xff)), []);
  const { cookie } = namespace.lookup(ROOT_INO, 'a')!;
  assert.deepEqual(names(namespace, ROOT_INO, cookie), []);
});

test('a directory of 100,000 entries is whole after reopening', async (t) => {
  const opened = await openScratch(t);
  const COUNT = 100_000;
  for (let i = 0; i < COUNT; i++) {
    opened.namespace.insert(ROOT_INO, `file ${i}`, i + 2, DT_REG);
    if (i % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const { namespace } = await opened.reopen();
  const inos = new Set<number>();
  let last = Buffer.alloc(8);
  for (const entry of namespace.list(ROOT_INO)) {
    assert.ok(entry.cookie.compare(last) > 0);
    last = Buffer.from(entry.cookie);
    inos.add(entry.ino);
  }
  assert.equal(inos.size, COUNT);
  assert.equal(namespace.lookup(ROOT_INO, `file ${COUNT - 1}`)?.ino, COUNT + 1);
});

/** Two hashes for all names, the same object each time: what is remembered of buckets is put to use. */
const COOKIES = [1, 65].map((last) => Buffer.from([0, 0, 0, 0, 0, 0, 1, last]));
const twoHashes = (name: string): Buffer => COOKIES[name.charCodeAt(0) % 2]!;

test('a name that was just looked up is what became of it since, in its own directory', async (t) => {
  const random = randomNumbers(testSeed(t));
  for (const parts of [{}, { hash: twoHashes }]) {
    const { namespace } = await openScratch(t, parts);
    const expected = new Map<string, number>();
    for (let ino = 100; ino < 3000; ino++) {
      const [dir, name] = [2 + Math.floor(random() * 3), 'abcdef'[Math.floor(random() * 6)]!];
      const choice = random();
      assert.equal(namespace.lookup(dir, name)?.ino, expected.get(`${dir} ${name}`));
      if (choice < 0.4) {
        namespace.insert(dir, name, ino, DT_REG);
        expected.set(`${dir} ${name}`, ino);
      } else if (choice < 0.7) {
        namespace.remove(dir, name);
        expected.delete(`${dir} ${name}`);
      } else if (choice < 0.72) await namespace.commit();
    }
  }
});

/** The contract of the store, run with groups of any size: what is written is read, and stays. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore, type StoreOptions } from '../../src/store/store.js';
import type { Table } from '../../src/store/types.js';
import { scratchDirectory } from './scratch.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const START = Buffer.alloc(0);

function contents(table: Table, start: Buffer = START, end?: Buffer): string[] {
  return Array.from(table.range(start, end), ({ key, value }) => `${key}=${value}`);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const CONFIGURATIONS: [string, StoreOptions][] = [
  ['default groups', {}],
  ['a group per write', { groupWrites: 1 }],
  ['groups of two', { groupWrites: 2 }],
  ['small groups by bytes', { groupBytes: 300 }],
];

for (const [name, options] of CONFIGURATIONS) {
  test(`a write is read back at once, after commit and after reopening (${name})`, async (t) => {
    const directory = scratchDirectory(t);
    const store = await openStore(directory, options);
    const table = store.table('t');
    table.put(bytes('a'), bytes('1'));
    assert.equal(String(table.get(bytes('a'))), '1');
    await store.commit();
    assert.equal(String(table.get(bytes('a'))), '1');
    assert.equal(store.pending, false);
    table.put(bytes('a'), bytes('2'));
    await store.close();
    const again = await openStore(directory, options);
    assert.equal(String(again.table('t').get(bytes('a'))), '2');
    await again.close();
  });

  test(`a removed key is gone at once and for good (${name})`, async (t) => {
    const directory = scratchDirectory(t);
    const store = await openStore(directory, options);
    const table = store.table('t');
    table.put(bytes('a'), bytes('1'));
    table.put(bytes('b'), bytes('2'));
    await store.commit();
    table.remove(bytes('a'));
    table.remove(bytes('never there'));
    assert.equal(table.get(bytes('a')), undefined);
    assert.deepEqual(contents(table), ['b=2']);
    await store.close();
    const again = await openStore(directory, options);
    assert.deepEqual(contents(again.table('t')), ['b=2']);
    await again.close();
  });

  test(`a range shows old, leaving and new rows in key order (${name})`, async (t) => {
    const store = await openStore(scratchDirectory(t), options);
    const table = store.table('t');
    for (const key of ['b', 'd', 'f', 'h']) table.put(bytes(key), bytes('old'));
    await store.commit();
    table.put(bytes('a'), bytes('leaving'));
    table.put(bytes('d'), bytes('leaving'));
    table.remove(bytes('f'));
    const leaving = store.commit();
    await Promise.resolve();
    table.put(bytes('c'), bytes('new'));
    table.put(bytes('d'), bytes('new'));
    table.put(bytes('f'), bytes('new'));
    table.remove(bytes('h'));
    const expected = ['a=leaving', 'b=old', 'c=new', 'd=new', 'f=new'];
    assert.deepEqual(contents(table), expected);
    assert.deepEqual(contents(table, bytes('b'), bytes('d')), expected.slice(1, 3));
    await leaving;
    assert.deepEqual(contents(table), expected);
    await store.commit();
    assert.deepEqual(contents(table), expected);
    await store.close();
  });

  test(`what one piece of code writes is in one group, whatever its size (${name})`, async (t) => {
    const store = await openStore(scratchDirectory(t), options);
    const table = store.table('t');
    for (let i = 0; i < 10; i++) table.put(bytes(`k${i}`), bytes('x'));
    const first = store.commit();
    table.put(bytes('after the call of commit'), bytes('x'));
    const whole = store.commit();
    assert.equal(first, whole);
    await whole;
    await store.close();
  });
}

test('bytes of any value and length survive as key and value', async (t) => {
  const directory = scratchDirectory(t);
  const store = await openStore(directory);
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const pairs = [
    [all, all],
    [Buffer.from([0]), Buffer.alloc(0)],
    [Buffer.from([255]), Buffer.alloc(1 << 20, 7)],
    [Buffer.alloc(500, 254), Buffer.alloc(65536, 1)],
  ] as const;
  for (const [key, value] of pairs) store.table('t').put(key, value);
  await store.close();
  const again = await openStore(directory);
  for (const [key, value] of pairs) assert.deepEqual(again.table('t').get(key), value);
  const keys = Array.from(again.table('t').range(START), ({ key }) => key.toString('hex'));
  assert.deepEqual(keys, pairs.map(([key]) => key.toString('hex')).sort());
  await again.close();
});

test('keys that LMDB cannot hold are refused, not cut', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const table = store.table('t');
  assert.throws(() => table.put(Buffer.alloc(501), bytes('x')), RangeError);
  assert.throws(() => table.put(Buffer.alloc(0), bytes('x')), RangeError);
  await store.close();
});

test('a caller may reuse its key buffer after a write', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const key = bytes('a');
  store.table('t').put(key, bytes('1'));
  key[0] = 'b'.charCodeAt(0);
  await store.commit();
  assert.deepEqual(contents(store.table('t')), ['a=1']);
  await store.close();
});

test('a value that was read stays as it was when others are read', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const table = store.table('t');
  table.put(bytes('a'), bytes('first'));
  table.put(bytes('b'), bytes('other'));
  await store.commit();
  const first = table.get(bytes('a'));
  table.get(bytes('b'));
  contents(table);
  assert.equal(String(first), 'first');
  await store.close();
});

test('tables do not see each other', async (t) => {
  const store = await openStore(scratchDirectory(t));
  store.table('one').put(bytes('a'), bytes('1'));
  assert.equal(store.table('two').get(bytes('a')), undefined);
  assert.equal(store.table('one'), store.table('one'));
  await store.close();
});

test('a table that is opened while a group leaves works', async (t) => {
  const store = await openStore(scratchDirectory(t));
  store.table('one').put(bytes('a'), bytes('1'));
  const leaving = store.commit();
  await Promise.resolve();
  store.table('two').put(bytes('b'), bytes('2'));
  await leaving;
  await store.commit();
  assert.equal(String(store.table('two').get(bytes('b'))), '2');
  await store.close();
});

test('what a hook adds is in the group that it runs before', async (t) => {
  const directory = scratchDirectory(t);
  const store = await openStore(directory);
  const table = store.table('t');
  let decoded = 0;
  store.beforeCommit(() => table.put(bytes('decoded'), bytes(String(decoded))));
  decoded = 7;
  store.touch();
  assert.equal(store.pending, true);
  await store.commit();
  assert.equal(store.pending, false);
  await store.close();
  const again = await openStore(directory);
  assert.equal(String(again.table('t').get(bytes('decoded'))), '7');
  await again.close();
});

test('a hook that fills the group by itself does not send a second one after it', async (t) => {
  const store = await openStore(scratchDirectory(t), { groupWrites: 5 });
  const table = store.table('t');
  const decoded = Array.from({ length: 50 }, (_, i) => bytes(`decoded ${i}`));
  store.beforeCommit(() => decoded.splice(0).forEach((key) => table.put(key, bytes('x'))));
  table.put(bytes('a'), bytes('1'));
  const durable = store.commit();
  while (store.pending) {
    assert.equal(contents(table).length, decoded.length > 0 ? 1 : 51);
    await turn();
  }
  await durable;
  assert.equal(contents(table).length, 51);
  await store.close();
});

test('a touch that turns out to add nothing commits', async (t) => {
  const store = await openStore(scratchDirectory(t));
  store.touch();
  await store.commit();
  assert.equal(store.pending, false);
  await store.close();
});

test('a hook that throws fails the commit and loses no write', async (t) => {
  const store = await openStore(scratchDirectory(t));
  let broken = true;
  store.beforeCommit(() => {
    if (broken) throw Object.assign(new Error('cannot encode'), { code: 'ENOMEM' });
  });
  store.table('t').put(bytes('a'), bytes('1'));
  await assert.rejects(store.commit(), /cannot encode/);
  assert.match(String(store.failed), /cannot encode/);
  assert.equal(store.pending, true);
  broken = false;
  await store.commit();
  assert.equal(store.failed, null);
  assert.equal(store.pending, false);
  await store.close();
});

test('writes become durable without a commit after the idle time', async (t) => {
  const store = await openStore(scratchDirectory(t), { idleMs: 1 });
  store.table('t').put(bytes('a'), bytes('1'));
  while (store.pending) await turn();
  assert.equal(String(store.table('t').get(bytes('a'))), '1');
  await store.close();
});

test('a full group leaves without a commit', async (t) => {
  const store = await openStore(scratchDirectory(t), { groupWrites: 10, idleMs: 3_600_000 });
  for (let i = 0; i < 10; i++) store.table('t').put(bytes(`k${i}`), bytes('x'));
  while (store.pending) await turn();
  await store.close();
});

test('an iteration that was begun before a commit ends with the rows it began with', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const table = store.table('t');
  for (let i = 0; i < 5; i++) table.put(bytes(`k${i}`), bytes('old'));
  await store.commit();
  table.put(bytes('k5'), bytes('pending'));
  const rows = table.range(START)[Symbol.iterator]();
  rows.next();
  await store.commit();
  let seen = 1;
  while (!rows.next().done) seen++;
  assert.equal(seen, 6);
  await store.close();
});

test('an iteration that outlives the store is an error, not a crash', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const table = store.table('t');
  for (let i = 0; i < 5; i++) table.put(bytes(`k${i}`), bytes('x'));
  await store.commit();
  const begun = Array.from({ length: 3 }, () => table.range(START)[Symbol.iterator]());
  for (const rows of begun) {
    rows.next();
    await turn();
  }
  const unbegun = table.range(START)[Symbol.iterator]();
  await store.close();
  assert.throws(() => begun[0]!.next(), { code: 'EBADF' });
  begun[1]!.return?.();
  assert.throws(() => unbegun.next());
  assert.throws(() => table.get(bytes('k1')));
  assert.throws(() => table.range(START)[Symbol.iterator]().next());
});

test('a copy opens as a store with the committed rows and replaces an older copy', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const copy = join(scratchDirectory(t), 'copy');
  store.table('t').put(bytes('a'), bytes('1'));
  await store.commit();
  await store.copyTo(copy);
  store.table('t').put(bytes('a'), bytes('2'));
  await store.commit();
  await store.copyTo(copy);
  assert.deepEqual(readdirSync(copy), ['data.mdb']);
  const opened = await openStore(copy);
  assert.deepEqual(contents(opened.table('t')), ['a=2']);
  await opened.close();
  await store.close();
});

test('a closed store refuses writes and closes twice without harm', async (t) => {
  const store = await openStore(scratchDirectory(t));
  const table = store.table('t');
  await store.close();
  await store.close();
  assert.throws(() => table.put(bytes('a'), bytes('1')), /closed/);
});

test('a database of an unknown format is refused in one line and not changed', async (t) => {
  const directory = scratchDirectory(t);
  const store = await openStore(directory);
  store.table('meta').put(bytes('format'), Buffer.from([0, 0, 0, 99]));
  await store.close();
  for (let i = 0; i < 2; i++) {
    await assert.rejects(openStore(directory), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ENOTSUP');
      assert.match(error.message, /^the namespace database in .* has format 99.*$/);
      return true;
    });
  }
});

const BROKEN: [string, Buffer][] = [
  ['text', Buffer.alloc(8192, 'not a database')],
  ['zeros', Buffer.alloc(65536)],
  ['a few bytes', Buffer.from('short')],
];

for (const [what, content] of BROKEN) {
  test(`a data file of ${what} is refused in one line that names the directory`, async (t) => {
    const directory = scratchDirectory(t);
    writeFileSync(join(directory, 'data.mdb'), content);
    await assert.rejects(openStore(directory), (error: Error) => {
      assert.ok(error.message.includes(directory) && !error.message.includes('\n'));
      return true;
    });
    assert.deepEqual(readFileSync(join(directory, 'data.mdb')), content);
  });
}

test('a lost database is refused where one is expected, not replaced by an empty one', async (t) => {
  const directory = scratchDirectory(t);
  await assert.rejects(openStore(directory, { create: false }), { code: 'ENOENT' });
  writeFileSync(join(directory, 'data.mdb'), '');
  await assert.rejects(openStore(directory, { create: false }), { code: 'ENOENT' });
});

test('a lock file that was lost or cut does not keep the store closed', async (t) => {
  const directory = scratchDirectory(t);
  await (await openStore(directory)).close();
  rmSync(join(directory, 'lock.mdb'));
  await (await openStore(directory, { create: false })).close();
  truncateSync(join(directory, 'lock.mdb'), 100);
  await (await openStore(directory, { create: false })).close();
});

/** Names of any bytes, and reading directories while they change. */
import assert from 'node:assert/strict';
import { lstat, S, stat } from './system/attributes.js';
import { below, bytesOf, call, AT_FDCWD } from './system/calls.js';
import { close, createFile, O, open } from './system/files.js';
import {
  getdents,
  link,
  mkdir,
  rename,
  restOfDirectory,
  seekDirectory,
  symlink,
  unlink,
} from './system/names.js';
import { anyone, each, fails, type Case, type Family } from './cases.js';
import { MAKERS } from './kit.js';

const openDirectory = (path: string): number => open(path, O.RDONLY | O.DIRECTORY);

/** All names but `.` and `..`, as latin1, sorted. */
function namesIn(path: string): string[] {
  const fd = openDirectory(path);
  const names = restOfDirectory(fd).map(({ name }) => name);
  close(fd);
  return names.filter((name) => name !== '.' && name !== '..').sort();
}

const names: Case[] = [
  ...each([1, 2, 127, 128, 254, 255], (length) =>
    anyone(`a name of ${length} bytes`, (dir) => {
      createFile(`${dir}/${'n'.repeat(length)}`, 'x');
      assert.deepEqual(namesIn(dir), ['n'.repeat(length)]);
      assert.equal(lstat(`${dir}/${'n'.repeat(length)}`).size, 1);
    }),
  ),
  anyone('every byte but NUL and the slash is a name', (dir) => {
    const expected: string[] = [];
    for (let byte = 1; byte < 256; byte++) {
      if (byte === 0x2f || byte === 0x2e) continue;
      createFile(below(dir, Buffer.from([byte])));
      expected.push(String.fromCharCode(byte));
    }
    assert.deepEqual(namesIn(dir), expected.sort());
  }),
  anyone('names that are not UTF-8', (dir) => {
    const wrong = [
      [0xff],
      [0xc3],
      [0xc3, 0x28],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xed, 0xa0, 0x80],
    ];
    for (const bytes of wrong) createFile(below(dir, Buffer.from(bytes)), 'x');
    for (const bytes of wrong) assert.equal(lstat(below(dir, Buffer.from(bytes))).size, 1);
    assert.equal(namesIn(dir).length, wrong.length);
  }),
  anyone('names that only look the same are different', (dir) => {
    const composed = '\u00e9';
    const decomposed = 'e\u0301';
    for (const name of [composed, decomposed, 'A', 'a', 'a ', ' a', 'a.'])
      createFile(`${dir}/${name}`);
    assert.equal(namesIn(dir).length, 7);
  }),
  anyone('names with line feeds, dots, backslashes, dashes', (dir) => {
    const odd = ['...', '. ', '..a', 'a\nb', '\\', '-rf', '~', '*', '"', "'", '\x7f', '\x01'];
    for (const name of odd) mkdir(`${dir}/${name}`);
    assert.deepEqual(namesIn(dir), [...odd].sort());
  }),
  anyone('a path of 4095 bytes works', (dir) => {
    createFile(`${dir}/f`, 'x');
    const filler = '/.'.repeat(2048);
    const path = `${dir}${filler}`.slice(0, 4093);
    const even = path.endsWith('/') ? path.slice(0, -1) : path;
    assert.equal(lstat(`${even}/f`).size, 1);
  }),
  anyone('directories deeper than any path, by way of the working directory', (dir) => {
    const before = process.cwd();
    const name = 'd'.repeat(200);
    try {
      process.chdir(dir);
      for (let i = 0; i < 60; i++) {
        mkdir(name);
        call('chdir', bytesOf(name));
      }
      createFile('bottom', 'x');
      assert.equal(lstat('bottom').size, 1);
    } finally {
      process.chdir(before);
    }
  }),
];

const entries: Case[] = [
  anyone('an empty directory lists . and ..', (dir) => {
    mkdir(`${dir}/d`);
    const fd = openDirectory(`${dir}/d`);
    const all = restOfDirectory(fd);
    close(fd);
    assert.deepEqual(all.map(({ name }) => name).sort(), ['.', '..']);
    const byName = new Map(all.map(({ name, ino }) => [name, ino]));
    assert.equal(byName.get('.'), lstat(`${dir}/d`).ino);
    assert.equal(byName.get('..'), lstat(dir).ino);
  }),
  ...each(MAKERS, ({ kind, make, type, needsRoot }) =>
    anyone(
      `the entry of ${kind} has its type and inode number`,
      (dir) => {
        make(`${dir}/x`);
        const fd = openDirectory(dir);
        const entry = restOfDirectory(fd).find(({ name }) => name === 'x');
        close(fd);
        assert.equal(entry?.type, type >> 12);
        assert.equal(entry.ino, lstat(`${dir}/x`).ino);
      },
      { needsRoot },
    ),
  ),
  anyone('.. of a moved directory is its new parent', (dir) => {
    for (const name of ['p', 'q', 'p/d']) mkdir(`${dir}/${name}`);
    rename(`${dir}/p/d`, `${dir}/q/d`);
    const fd = openDirectory(`${dir}/q/d`);
    const parent = restOfDirectory(fd).find(({ name }) => name === '..');
    close(fd);
    assert.equal(parent?.ino, lstat(`${dir}/q`).ino);
  }),
  anyone('hard links are listed with one inode number', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    const fd = openDirectory(dir);
    const numbers = restOfDirectory(fd).filter(({ name }) => name === 'a' || name === 'b');
    close(fd);
    assert.equal(numbers.length, 2);
    assert.equal(numbers[0].ino, numbers[1].ino);
  }),
  anyone('getdents of what is no directory, and with too little room', (dir) => {
    createFile(`${dir}/${'f'.repeat(100)}`);
    const file = open(`${dir}/${'f'.repeat(100)}`, O.RDONLY);
    fails('ENOTDIR', () => getdents(file));
    close(file);
    const fd = openDirectory(dir);
    fails('EINVAL', () => getdents(fd, 16));
    close(fd);
  }),
  anyone('names that came or went are listed or not when the directory is read again', (dir) => {
    const fd = openDirectory(dir);
    restOfDirectory(fd);
    createFile(`${dir}/new`);
    seekDirectory(fd, 0n);
    assert.ok(restOfDirectory(fd).some(({ name }) => name === 'new'));
    unlink(`${dir}/new`);
    seekDirectory(fd, 0n);
    assert.ok(!restOfDirectory(fd).some(({ name }) => name === 'new'));
    close(fd);
  }),
  anyone('a symbolic link to a directory is listed as a link', (dir) => {
    mkdir(`${dir}/d`);
    symlink('d', `${dir}/l`);
    const fd = openDirectory(dir);
    assert.equal(restOfDirectory(fd).find(({ name }) => name === 'l')?.type, S.IFLNK >> 12);
    close(fd);
  }),
];

function fill(dir: string, count: number): void {
  for (let i = 0; i < count; i++) {
    call('mknodat', AT_FDCWD, bytesOf(`${dir}/name-${i}`), S.IFREG | 0o644, 0);
  }
}

const MANY = 3000;
const ROOM = 4096;

const offsets: Case[] = [
  anyone(`${MANY} names are listed once each, also in small steps`, (dir) => {
    fill(dir, MANY);
    for (const room of [512, ROOM, 1 << 20]) {
      const fd = openDirectory(dir);
      const all = restOfDirectory(fd, room).map(({ name }) => name);
      close(fd);
      assert.equal(all.length, MANY + 2);
      assert.equal(new Set(all).size, MANY + 2);
    }
  }),
  anyone('seekdir to any remembered place goes on from there', (dir) => {
    fill(dir, 500);
    const fd = openDirectory(dir);
    const all = restOfDirectory(fd);
    for (const at of [0, 1, 2, 77, 250, 499]) {
      seekDirectory(fd, all[at].offset);
      const rest = restOfDirectory(fd).map(({ name }) => name);
      assert.deepEqual(
        rest,
        all.slice(at + 1).map(({ name }) => name),
      );
    }
    close(fd);
  }),
  anyone('a place stays valid when the name there, and others, are removed', (dir) => {
    fill(dir, 500);
    const fd = openDirectory(dir);
    const all = restOfDirectory(fd);
    const at = all.findIndex(({ name }, index) => index > 200 && name.startsWith('name-'));
    const gone = new Set(all.slice(at - 20, at + 20).map(({ name }) => name));
    for (const name of gone) if (name.startsWith('name-')) unlink(`${dir}/${name}`);
    seekDirectory(fd, all[at].offset);
    const rest = restOfDirectory(fd).map(({ name }) => name);
    const after = all.slice(at + 1).map(({ name }) => name);
    // Those that are gone may be listed or not: the directory was not rewound.
    const left = (names: string[]): string[] => names.filter((name) => !gone.has(name));
    assert.deepEqual(left(rest), left(after));
    close(fd);
  }),
  anyone('half of the names removed while the rest is read: none of the others missed', (dir) => {
    fill(dir, MANY);
    const fd = openDirectory(dir);
    const seen: string[] = [];
    let removed = 0;
    for (;;) {
      const some = getdents(fd, ROOM);
      if (some.length === 0) break;
      seen.push(...some.map(({ name }) => name));
      for (; removed < Math.min(MANY / 2, seen.length); removed++) {
        unlink(`${dir}/name-${removed * 2}`);
      }
    }
    close(fd);
    assert.equal(new Set(seen).size, seen.length, 'a name was listed twice');
    const listed = new Set(seen);
    for (let i = 1; i < MANY; i += 2) assert.ok(listed.has(`name-${i}`), `name-${i} was missed`);
  }),
  anyone('names added while the rest is read: the old ones once each', (dir) => {
    fill(dir, MANY);
    const fd = openDirectory(dir);
    const seen: string[] = [];
    for (let added = 0; ; added++) {
      const some = getdents(fd, ROOM);
      if (some.length === 0) break;
      seen.push(...some.map(({ name }) => name));
      createFile(`${dir}/added-${added}`);
    }
    close(fd);
    const old = seen.filter((name) => name.startsWith('name-'));
    assert.equal(old.length, MANY);
    assert.equal(new Set(seen).size, seen.length);
  }),
  anyone('rm -r as programs do it: read some, remove them, read on', (dir) => {
    mkdir(`${dir}/d`);
    fill(`${dir}/d`, MANY);
    const fd = openDirectory(`${dir}/d`);
    for (;;) {
      const some = getdents(fd, ROOM);
      if (some.length === 0) break;
      for (const { name } of some) if (name.startsWith('name-')) unlink(`${dir}/d/${name}`);
    }
    close(fd);
    assert.deepEqual(namesIn(`${dir}/d`), []);
  }),
  anyone('two readers of one directory do not disturb each other', (dir) => {
    fill(dir, 500);
    const [one, two] = [openDirectory(dir), openDirectory(dir)];
    const first = getdents(one, ROOM);
    assert.equal(restOfDirectory(two).length, 502);
    assert.equal(first.length + restOfDirectory(one).length, 502);
    close(one);
    close(two);
  }),
  anyone('renamed while it is read, an entry is never missed under both names', (dir) => {
    fill(dir, 500);
    const fd = openDirectory(dir);
    const seen = new Set(getdents(fd, ROOM).map(({ name }) => name));
    rename(`${dir}/name-1`, `${dir}/moved`);
    for (const { name } of restOfDirectory(fd)) seen.add(name);
    close(fd);
    for (let i = 0; i < 500; i++) if (i !== 1) assert.ok(seen.has(`name-${i}`));
    assert.equal(stat(`${dir}/moved`).size, 0);
  }),
];

export const listing: Family = { name: 'listing', cases: [...names, ...entries, ...offsets] };

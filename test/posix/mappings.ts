/** mmap(2) beside read, write, truncate, and other mappings of the same file. */
import assert from 'node:assert/strict';
import { fstat, stat } from './system/attributes.js';
import {
  close,
  createFile,
  ftruncate,
  O,
  open,
  pread,
  pwrite,
  truncate,
  withOpen,
} from './system/files.js';
import { map, MAP, PROT } from './system/memory.js';
import { unlink } from './system/names.js';
import { anyone, fails, type Case, type Family } from './cases.js';
import { contentOf, later } from './kit.js';

const PACKED = { packed: true };
const SIZE = 12_288;
const content = 'A'.repeat(SIZE);

const coherent: Case[] = [
  anyone(
    'two mappings, read and write all show the same',
    async (dir, env) => {
      createFile(`${dir}/a`, content);
      await env.settle(`${dir}/a`);
      const [one, two] = [open(`${dir}/a`, O.RDWR), open(`${dir}/a`, O.RDWR)];
      const [a, b] = [map(one, SIZE), map(two, SIZE)];
      a.write(0, '11');
      assert.equal(String(b.read(0, 2)), '11');
      b.write(4096, '22');
      assert.equal(String(pread(one, 2, 4096)), '22');
      pwrite(two, '33', 100);
      assert.equal(String(a.read(100, 2)), '33');
      a.sync();
      close(one);
      assert.equal(String(b.read(0, 2)), '11');
      a.unmap();
      b.write(8192, '44');
      b.unmap();
      close(two);
      assert.equal(contentOf(`${dir}/a`).replaceAll('A', ''), '11332244');
    },
    PACKED,
  ),
  anyone(
    'a reader that mapped the file before sees what a writer writes',
    async (dir, env) => {
      createFile(`${dir}/a`, content);
      await env.settle(`${dir}/a`);
      const reader = open(`${dir}/a`, O.RDONLY);
      const view = map(reader, SIZE, PROT.READ);
      assert.equal(String(view.read(4096, 2)), 'AA');
      const writer = open(`${dir}/a`, O.RDWR);
      pwrite(writer, '11', 0);
      const own = map(writer, SIZE);
      own.write(4096, '22');
      assert.equal(String(view.read(0, 2)), '11');
      assert.equal(String(view.read(4096, 2)), '22');
      assert.equal(String(pread(reader, 2, 4096)), '22');
      close(writer);
      own.write(8192, '33');
      assert.equal(String(view.read(8192, 2)), '33');
      own.unmap();
      view.unmap();
      close(reader);
      assert.equal(contentOf(`${dir}/a`).replaceAll('A', ''), '112233');
    },
    PACKED,
  ),
  anyone('a mapping goes on after its descriptor is closed', (dir) => {
    createFile(`${dir}/a`, content);
    const view = withOpen(`${dir}/a`, O.RDWR, (fd) => map(fd, SIZE));
    view.write(0, '11');
    withOpen(`${dir}/a`, O.RDWR, (fd) => pwrite(fd, '22', 2));
    assert.equal(String(view.read(0, 4)), '1122');
    view.write(4, '33');
    view.unmap();
    assert.equal(contentOf(`${dir}/a`).slice(0, 7), '112233A');
  }),
  anyone('a private mapping changes nothing', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDONLY, (fd) => {
      const own = map(fd, SIZE, PROT.READ | PROT.WRITE, MAP.PRIVATE);
      own.write(0, 'mine');
      assert.equal(String(own.read(0, 5)), 'mineA');
      own.unmap();
    });
    assert.equal(contentOf(`${dir}/a`), content);
  }),
  anyone('a file without a name is mapped like any', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      unlink(`${dir}/a`);
      const view = map(fd, SIZE);
      view.write(5000, 'here');
      assert.equal(String(pread(fd, 4, 5000)), 'here');
      view.unmap();
      assert.equal(fstat(fd).nlink, 0);
    });
  }),
];

const refusals: Case[] = [
  anyone('a descriptor that may only read gives no shared mapping to write', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDONLY, (fd) => fails('EACCES', () => map(fd, SIZE)));
  }),
  anyone('a descriptor that may only write gives no mapping', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.WRONLY, (fd) => {
      fails('EACCES', () => map(fd, SIZE, PROT.READ));
      fails('EACCES', () => map(fd, SIZE, PROT.WRITE));
    });
  }),
  anyone('offsets within a page and lengths of nothing are refused', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDONLY, (fd) => {
      fails('EINVAL', () => map(fd, SIZE, PROT.READ, MAP.SHARED, 100));
      fails('EINVAL', () => map(fd, 0, PROT.READ));
    });
  }),
];

const cutting: Case[] = [
  anyone(
    'pages that were cut off are gone, the rest of the last one is zeros',
    async (dir, env) => {
      createFile(`${dir}/a`, content);
      await env.settle(`${dir}/a`);
      const view = withOpen(`${dir}/a`, O.RDONLY, (fd) => map(fd, SIZE, PROT.READ));
      assert.equal(String(view.read(8192, 1)), 'A');
      truncate(`${dir}/a`, 5000);
      assert.equal(String(view.read(4998, 4)), 'AA\0\0');
      fails('EFAULT', () => view.read(8192, 1));
      truncate(`${dir}/a`, SIZE);
      assert.equal(String(view.read(8192, 2)), '\0\0');
      view.unmap();
    },
    PACKED,
  ),
  anyone('a file that grows shows its new pages in a mapping that reached beyond', (dir) => {
    createFile(`${dir}/a`, 'A'.repeat(100));
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      const view = map(fd, SIZE);
      fails('EFAULT', () => view.read(4096, 1));
      ftruncate(fd, SIZE);
      view.write(8192, 'new');
      assert.equal(String(pread(fd, 4, 8192)), 'new\0');
      view.unmap();
    });
  }),
  anyone('what was written beyond the end does not come in when the file grows', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      const view = map(fd, SIZE);
      ftruncate(fd, 5000);
      view.write(6000, 'junk');
      ftruncate(fd, SIZE);
      assert.deepEqual(pread(fd, 4, 6000), Buffer.alloc(4));
      view.unmap();
    });
  }),
];

const times: Case[] = [
  anyone('writing through a mapping moves mtime and ctime by the time of msync', (dir) => {
    createFile(`${dir}/a`, content);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      const view = map(fd, SIZE);
      const before = stat(`${dir}/a`);
      later();
      view.write(0, 'x');
      view.sync();
      const after = stat(`${dir}/a`);
      assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
      view.unmap();
    });
  }),
  anyone('it does so also after the descriptor was closed', (dir) => {
    createFile(`${dir}/a`, content);
    const view = withOpen(`${dir}/a`, O.RDWR, (fd) => map(fd, SIZE));
    const before = stat(`${dir}/a`);
    later();
    view.write(0, 'x');
    view.sync();
    const during = stat(`${dir}/a`);
    assert.ok(during.mtime > before.mtime);
    later();
    view.write(4096, 'x');
    view.unmap();
    assert.ok(stat(`${dir}/a`).mtime > during.mtime);
  }),
  anyone('reading through a mapping does not', (dir) => {
    createFile(`${dir}/a`, content);
    const before = stat(`${dir}/a`);
    later();
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      const view = map(fd, SIZE);
      view.read(0, SIZE);
      view.sync();
      view.unmap();
    });
    assert.equal(stat(`${dir}/a`).mtime, before.mtime);
  }),
];

export const mappings: Family = {
  name: 'mappings',
  cases: [...coherent, ...refusals, ...cutting, ...times],
};

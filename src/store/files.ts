/**
 * Looks at the files of the database before LMDB does, because the lmdb package does not survive some of
 * what can be there: it crashes on a data file of another kind, and on a lock file that the disk has no
 * room for (its pages are written through a map).
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { storeError } from './errors.js';

export const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';

/** Room for the lock file's header and some 250 readers. */
const LOCK_BYTES = 16384;
const ST_BLOCK_BYTES = 512;

/** LMDB's first page: flags, magic number and version of a root page. */
const Header = { flags: 18, magic: 24, version: 28, bytes: 32 } as const;
const ROOT_PAGE_FLAG = 8;
const MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;
const MIN_PAGES_BYTES = 8192;

/**
 * Makes the directory and its lock file, and checks the data file. `create`: there may be none yet.
 * @throws ENOENT where there is none, EINVAL where it is no database, and those of open and write
 */
export function prepareFiles(directory: string, create: boolean): void {
  if (create) mkdirSync(directory, { recursive: true, mode: 0o700 });
  withFile(join(directory, DATA_FILE), create ? 'a+' : 'r', (fd) => {
    const { size } = fstatSync(fd);
    if (size > 0) checkHeader(fd, size);
    else if (!create) throw storeError('ENOENT', 'its data file is empty');
  });
  withFile(join(directory, LOCK_FILE), 'a+', allocate);
}

function withFile(path: string, flags: string, use: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function checkHeader(fd: number, size: number): void {
  const header = Buffer.alloc(Header.bytes);
  readSync(fd, header, 0, Header.bytes, 0);
  const version = header.readUInt32LE(Header.version);
  if (
    size < MIN_PAGES_BYTES ||
    (header.readUInt16LE(Header.flags) & ROOT_PAGE_FLAG) === 0 ||
    header.readUInt32LE(Header.magic) !== MAGIC
  ) {
    throw storeError('EINVAL', 'its data file is damaged or is no database');
  }
  if (version !== LMDB_VERSION) throw storeError('EINVAL', `its LMDB version is ${version}`);
}

/** Gives the lock file its full length in real blocks; what it says does not matter to a lone opener. */
function allocate(fd: number): void {
  const { size, blocks } = fstatSync(fd);
  const missing = LOCK_BYTES - Math.min(size, blocks * ST_BLOCK_BYTES);
  for (let left = missing; left > 0;) left -= writeSync(fd, Buffer.alloc(left));
}

/** Every way to serve that the suite runs against, and what the kernel makes impossible in it. */
import type { TestContext } from 'node:test';
import {
  LIBFUSE_2_PACKED,
  LIBFUSE_2_PLAIN,
  WITH_PASSTHROUGH,
  WITHOUT_PASSTHROUGH,
  type Exceptions,
} from './exceptions.js';
import { ext4, ordinaryUser, packed, plain, type Place } from './places.js';

export interface Configuration {
  name: string;
  open(t: TestContext): Promise<Place>;
  /**
   * `family: case` and the reason why it can't hold here, the same as in test/README.md. Each of them must
   * fail: one that holds has to go from this list.
   */
  exceptions: Exceptions;
}

const LIBFUSE_2 = 'channel=fuse-native';
const NO_RENAME2 = 'RENAME2 came with FUSE 7.23: renameat2 with flags is EINVAL';
const NO_STATX = 'STATX came with FUSE 7.39: there is no birth time';
const NO_PATH = 'the kernel asks by node, and libfuse finds no path to a removed directory';

const BEYOND_LIBFUSE_2: Exceptions = {
  'rename: NOREPLACE to a free name': NO_RENAME2,
  'rename: EXCHANGE of two files': NO_RENAME2,
  'rename: EXCHANGE of a file and a directory with something in it, across directories': NO_RENAME2,
  'rename: EXCHANGE of two directories across directories': NO_RENAME2,
  'rename: EXCHANGE with a symbolic link': NO_RENAME2,
  'rename: EXCHANGE of hard links of one file': NO_RENAME2,
  'rename: WHITEOUT leaves a character device 0:0 behind': NO_RENAME2,
  'rename: WHITEOUT replaces what is there': NO_RENAME2,
  'rename: WHITEOUT of a directory into another: link counts': NO_RENAME2,
  'directories: mkdir moves the times of the parent, and all its own are the same': NO_STATX,
  'directories: a removed directory that is open is not listed, and nothing is made in it': NO_PATH,
  'unlink: a new file: one link, no data, all times the same': NO_STATX,
};

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: 'ext4', open: ext4, exceptions: {} },
  { name: 'plain files through the kernel', open: plain(), exceptions: WITH_PASSTHROUGH },
  {
    name: 'plain files with passthrough=off',
    open: plain('passthrough=off'),
    exceptions: WITHOUT_PASSTHROUGH,
  },
  { name: 'packed files', open: packed(), exceptions: {} },
  { name: 'mounted by an ordinary user', open: ordinaryUser(), exceptions: WITHOUT_PASSTHROUGH },
  {
    name: 'fuse-native, plain files',
    open: plain(LIBFUSE_2),
    exceptions: { ...BEYOND_LIBFUSE_2, ...LIBFUSE_2_PLAIN, ...LIBFUSE_2_PACKED },
  },
  { name: 'fuse-native, packed files', open: packed(LIBFUSE_2), exceptions: LIBFUSE_2_PACKED },
  {
    name: 'fuse-native, mounted by an ordinary user',
    open: ordinaryUser(LIBFUSE_2),
    exceptions: { ...BEYOND_LIBFUSE_2, ...LIBFUSE_2_PLAIN },
  },
];

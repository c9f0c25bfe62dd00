/** What FUSE in the kernel makes impossible for file data, with the reasons; test/README.md says the same. */

export type Exceptions = Readonly<Record<string, string>>;

const LLSEEK = 'the kernel gives every FUSE mount the largest possible s_maxbytes';
const FALLOCATE = 'fuse_file_fallocate passes KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE only';

const ALWAYS: Exceptions = {
  'file space: a position beyond the largest file is refused': LLSEEK,
  'file space: fallocate: COLLAPSE_RANGE takes pages out': FALLOCATE,
  'file space: fallocate: INSERT_RANGE puts a hole in': FALLOCATE,
};

export const WITH_PASSTHROUGH: Exceptions = {
  ...ALWAYS,
  'open flags: a descriptor can stop appending':
    'the kernel opens the backing file with the flags of open and never changes them',
};

export const WITHOUT_PASSTHROUGH: Exceptions = {
  ...ALWAYS,
  'open flags: O_DIRECT refuses parts of blocks':
    'the kernel copies through its own buffers, to any address and of any length',
  'mappings: what was written beyond the end does not come in when the file grows':
    'the kernel does not clear the last page when a FUSE file grows',
  'times of data: opening to read moves nothing':
    'reads from the page cache are not told: opening counts as reading',
};

/** channel=fuse-native, beside what its protocol lacks for names. */
export const LIBFUSE_2_PACKED: Exceptions = {
  'times of data: opening to read moves nothing':
    'reads from the page cache are not told: opening counts as reading',
  'set-id writes: a set-gid bit without group execution goes':
    'without HANDLE_KILLPRIV the kernel takes set-gid bits with group execution only',
};

const NO_TMPFILE = 'TMPFILE came with FUSE 7.37';

export const LIBFUSE_2_PLAIN: Exceptions = {
  ...WITHOUT_PASSTHROUGH,
  'open flags: O_PATH reaches the file again after its name is gone':
    'libfuse finds no path to a file whose name is gone, unless it is open',
  'open flags: O_TMPFILE makes a file without a name, which can be given one': NO_TMPFILE,
  'open flags: O_TMPFILE with O_EXCL refuses a name': NO_TMPFILE,
  'file space: SEEK_DATA and SEEK_HOLE find data and holes, written a moment ago or synced':
    'LSEEK came with FUSE 7.24: the whole file is data',
};

export const PACKED: Exceptions = {
  'times of data: opening to read moves nothing':
    'reads from the page cache are not told: opening counts as reading',
};

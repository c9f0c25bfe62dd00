/** What FUSE in the kernel makes impossible for file data, with the reasons; test/README.md says the same. */

export type Exceptions = Readonly<Record<string, string>>;

const LLSEEK = 'the kernel gives every FUSE mount the largest possible s_maxbytes';
const FALLOCATE = 'fuse_file_fallocate passes KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE only';

const ALWAYS: Exceptions = {
  'file space: a position beyond the largest file is refused': LLSEEK,
  'file space: fallocate: COLLAPSE_RANGE takes pages out': FALLOCATE,
  'file space: fallocate: INSERT_RANGE puts a hole in': FALLOCATE,
};

const NOT_TOLD = 'reads from the page cache are not told: opening counts as reading';

export const WITH_PASSTHROUGH: Exceptions = {
  ...ALWAYS,
  'open flags: a descriptor can stop appending':
    'the kernel opens the backing file with the flags of open and never changes them',
};

const CACHED: Exceptions = {
  ...ALWAYS,
  'open flags: O_DIRECT refuses parts of blocks':
    'the kernel copies through its own buffers, to any address and of any length',
  'mappings: what was written beyond the end does not come in when the file grows':
    'the kernel does not clear the last page when a FUSE file grows',
  'times of data: opening to read moves nothing': NOT_TOLD,
  'times: a read after a write moves atime again': NOT_TOLD,
};

export const WITHOUT_PASSTHROUGH: Exceptions = CACHED;

const GROUP_EXECUTION =
  'without HANDLE_KILLPRIV the kernel takes set-gid bits with group execution only';

const NO_EMPTY_CHOWN = 'libfuse passes on no SETATTR that changes nothing';

/** channel=fuse-native, beside what its protocol lacks for names. */
export const LIBFUSE_2_PACKED: Exceptions = {
  'times: a chown that names nobody moves ctime': NO_EMPTY_CHOWN,
  'times of data: opening to read moves nothing': NOT_TOLD,
  'set-id writes: a set-gid bit without group execution goes': GROUP_EXECUTION,
};

const NO_TMPFILE = 'TMPFILE came with FUSE 7.37';

const NO_ACL = 'POSIX_ACL came with FUSE 7.26: lists are not enforced and not inherited';
const BY_PATH = 'to libfuse each path is an inode, also where two are one file';
const NO_STATX = 'STATX came with FUSE 7.39';

const ACL_CASES = [
  'both ACLs last over a remount, and so does what they forbid',
  'an ACL set by an owner outside of the group takes the set-group-id bit',
  'a named user has its entry, up to the mask',
  'a named user has no more than its entry, whatever others may',
  'a named group counts for members by any group, and one entry is enough',
  'directories: search and change by ACL',
  'what an ACL gave is gone when it is removed',
  'chmod takes from a named user at once',
  'a file under a default ACL gets it, cut by the mode it is made with; no umask',
  'a directory under a default ACL gets both, and passes it on',
  'a default ACL of three entries is a mode for new files, and no umask',
  'a fifo inherits as a file does, a symbolic link does not',
  'a file without a name inherits as well',
  'what a file inherits is enforced',
  'set-group-id directory with a default ACL: group and bit are inherited too',
];

export const LIBFUSE_2_PLAIN: Exceptions = {
  ...CACHED,
  ...Object.fromEntries(ACL_CASES.map((name) => [`acl: ${name}`, NO_ACL])),
  'permissions: chown that changes nothing: a set-gid bit without group execution is for members':
    GROUP_EXECUTION,
  'nodes: a fifo carries data, also under another name': BY_PATH,
  'handles: handles and inode numbers last over a remount':
    'libfuse forgets the number of a file when the kernel does',
  'handles: hard links have one handle, different files have different ones': BY_PATH,
  'times: a chown that names nobody moves ctime': NO_EMPTY_CHOWN,
  'times: birth is when the file was made, and never moves': NO_STATX,
  'handles: statx gives all fields, and one device number for all': NO_STATX,
  'handles: statfs: a new file takes one of those that are free':
    'the binding has 32 bits for the number of free files',
  'open flags: O_PATH reaches the file again after its name is gone':
    'libfuse finds no path to a file whose name is gone, unless it is open',
  'open flags: O_TMPFILE makes a file without a name, which can be given one': NO_TMPFILE,
  'open flags: O_TMPFILE with O_EXCL refuses a name': NO_TMPFILE,
  'file space: SEEK_DATA and SEEK_HOLE find data and holes, written a moment ago or synced':
    'LSEEK came with FUSE 7.24: the whole file is data',
};

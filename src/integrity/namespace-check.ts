/** The tree: every entry leads to an inode, every inode is reached, link counts are right. */
import { numberOfKey } from '../content/records.js';
import { ROOT_INO, type Entry, type Inode, type Namespace } from '../namespace/types.js';
import { decodeName, nameInode, type CheckDeps, type Findings } from './report.js';
import { walkEntries, walkInodes } from './walks.js';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
/** `.` and `..` of a directory without subdirectories. */
const DIRECTORY_LINKS = 2;
const MAX_DEPTH = 4096;

const RESTORE = 'restore the namespace from a copy on another tier, or move the file away and back';

interface Links {
  /** Entries that lead to an inode. */
  entries: Map<number, number>;
  /** Subdirectories of a directory. */
  subdirectories: Map<number, number>;
}

export async function checkInodes(deps: CheckDeps, findings: Findings): Promise<void> {
  const { namespace } = deps;
  const links: Links = { entries: new Map(), subdirectories: new Map() };
  for await (const inode of walkInodes(namespace)) {
    findings.checked.inodes++;
    if (isDirectory(inode)) await countLinks(deps, inode, links, findings);
  }
  const orphans = new Set(namespace.orphans());
  for await (const inode of walkInodes(namespace)) {
    checkLinks(namespace, inode, links, orphans, findings);
    checkPlace(namespace, inode, findings);
  }
  for (const ino of orphans) checkOrphan(namespace, ino, findings);
}

/** Entries of directories that do not exist. */
export async function checkEntries(
  { store, namespace }: CheckDeps,
  { report }: Findings,
): Promise<void> {
  let dir = 0;
  for (;;) {
    const next = firstKey(store.table('entries').range(dirKey(dir)));
    if (!next) return;
    dir = numberOfKey(next);
    const inode = namespace.get(dir);
    if (!inode || !isDirectory(inode)) {
      report({
        what: 'lost-directory',
        subject: `directory ${dir}`,
        detail: 'it has entries, but there is no such directory',
        repair: RESTORE,
      });
    }
    dir++;
  }
}

async function countLinks(
  { namespace }: CheckDeps,
  dir: Inode,
  links: Links,
  findings: Findings,
): Promise<void> {
  for await (const entry of walkEntries(namespace, dir.ino)) {
    findings.checked.entries++;
    increment(links.entries, entry.ino);
    const inode = namespace.get(entry.ino);
    if (inode && isDirectory(inode)) increment(links.subdirectories, dir.ino);
    const detail = entryProblem(dir, entry, inode);
    if (!detail) continue;
    const subject = `entry '${decodeName(entry.name)}' of ${nameInode(namespace, dir.ino)}`;
    findings.report({ what: 'bad-entry', subject, detail, repair: 'remove the entry' });
  }
}

function entryProblem(dir: Inode, entry: Entry, inode: Inode | undefined): string | null {
  if (!inode) return `inode ${entry.ino} does not exist`;
  const type = (inode.mode & S_IFMT) >> 12;
  if (type !== entry.type) return `it says type ${entry.type}, inode ${entry.ino} has ${type}`;
  if (!isDirectory(inode)) return null;
  if (inode.parent !== dir.ino) return `directory ${entry.ino} has another parent, ${inode.parent}`;
  return null;
}

function checkLinks(
  namespace: Namespace,
  inode: Inode,
  links: Links,
  orphans: Set<number>,
  { report }: Findings,
): void {
  const { ino, nlink } = inode;
  const subject = nameInode(namespace, ino);
  const entries = links.entries.get(ino) ?? 0;
  if (entries === 0 && nlink === 0) {
    if (orphans.has(ino)) return;
    const detail = 'nothing leads to it and it is not listed for removal';
    report({ what: 'unreachable', subject, detail, repair: 'mount the volume again' });
  } else if (entries === 0 && ino !== ROOT_INO) {
    const detail = `no entry leads to it, though it counts ${nlink} links`;
    report({ what: 'unreachable', subject, detail, repair: RESTORE });
  } else if (nlink !== expectedLinks(inode, links)) {
    const detail = `it counts ${nlink} links; there are ${expectedLinks(inode, links)}`;
    report({ what: 'link-count', subject, detail, repair: RESTORE });
  }
}

function expectedLinks(inode: Inode, { entries, subdirectories }: Links): number {
  if (!isDirectory(inode)) return entries.get(inode.ino) ?? 0;
  return DIRECTORY_LINKS + (subdirectories.get(inode.ino) ?? 0);
}

/** The first link that an inode records is one, and leads up to the root. */
function checkPlace(namespace: Namespace, inode: Inode, { report }: Findings): void {
  const { ino, parent, name } = inode;
  if (ino === ROOT_INO || inode.nlink === 0) return;
  // The link that it recorded was removed; the next look-up of another one records that.
  if (parent === 0 && !isDirectory(inode)) return;
  if (namespace.lookup(parent, name)?.ino !== ino) {
    const detail = `it says that it is '${decodeName(name)}' in directory ${parent}; it is not`;
    report({ what: 'first-link', subject: `inode ${ino}`, detail, repair: RESTORE });
  } else if (isDirectory(inode) && !leadsToRoot(namespace, inode)) {
    const detail = 'its parents do not lead to the root';
    report({ what: 'unreachable', subject: `directory ${ino}`, detail, repair: RESTORE });
  }
}

function leadsToRoot(namespace: Namespace, start: Inode): boolean {
  let inode: Inode | undefined = start;
  for (let depth = 0; inode && depth < MAX_DEPTH; depth++) {
    if (inode.ino === ROOT_INO) return true;
    inode = namespace.get(inode.parent);
  }
  return false;
}

function checkOrphan(namespace: Namespace, ino: number, { report }: Findings): void {
  const inode = namespace.get(ino);
  if (inode && inode.nlink === 0) return;
  const detail = inode ? `it counts ${inode.nlink} links` : 'it does not exist';
  const repair = 'mount the volume again';
  report({
    what: 'orphan-list',
    subject: `inode ${ino}`,
    detail: `listed for removal, but ${detail}`,
    repair,
  });
}

function isDirectory({ mode }: Inode): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function firstKey(rows: Iterable<{ key: Buffer }>): Buffer | undefined {
  for (const { key } of rows) return key;
  return undefined;
}

function dirKey(dir: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(dir));
  return key;
}

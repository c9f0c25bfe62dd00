/** A tree as lines of text, one for each name: from the model, and from the mount, to be compared. */
import { createHash } from 'node:crypto';
import type { Kind, Tree } from './tree-model.js';
import type { Syscalls } from './syscalls.js';

export interface FileStat {
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  mtimeNs: string;
}

/** What is said of one name. */
interface Row {
  path: string;
  /** The same for all names of one inode. */
  inode: number;
  kind: Kind;
  mode: number;
  owner: string;
  links: number;
  target: string;
  xattrs: [string, string][];
  content: string;
}

const KINDS = new Map<number, Kind>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
]);

export const kindOf = (mode: number): Kind | undefined => KINDS.get(mode & 0o170000);

/** Content of each file by its inode in the model. */
export type Contents = Map<number, Buffer>;

export function pictureOfModel(tree: Tree, contents: Contents): string[] {
  const rows: Row[] = [...tree.places()].map((place) => {
    const node = tree.node(place.number);
    return {
      path: tree.path(place),
      inode: place.number,
      kind: node.kind,
      mode: node.mode,
      owner: `${String(node.uid)}:${String(node.gid)}`,
      links: tree.links(place.number),
      target: node.target,
      xattrs: [...node.xattrs],
      content: node.kind === 'file' ? summary(contents.get(place.number) ?? Buffer.alloc(0)) : '',
    };
  });
  return lines(rows);
}

export async function pictureOfMount(calls: Syscalls, root: string): Promise<string[]> {
  const rows: Row[] = [];
  const visit = async (directory: string): Promise<void> => {
    for (const name of await calls.value<string[]>('readdir', `${root}/${directory}`)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const row = await rowOf(calls, root, path);
      rows.push(row);
      if (row.kind === 'directory') await visit(path);
    }
  };
  await visit('');
  return lines(rows);
}

async function rowOf(calls: Syscalls, root: string, path: string): Promise<Row> {
  const full = `${root}/${path}`;
  const stat = await calls.value<FileStat>('lstat', full);
  const kind = kindOf(stat.mode);
  if (kind === undefined) throw new Error(`${path} has mode ${stat.mode.toString(8)}`);
  return {
    path,
    inode: stat.ino,
    kind,
    mode: stat.mode & 0o7777,
    owner: `${String(stat.uid)}:${String(stat.gid)}`,
    links: stat.nlink,
    target: kind === 'symlink' ? await calls.value<string>('readlink', full) : '',
    xattrs: Object.entries(await calls.value<Record<string, string>>('xattrs', full)),
    content: kind === 'file' ? summary(await calls.take('readFile', full)) : '',
  };
}

function summary(content: Buffer): string {
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 16);
  return `${String(content.length)} bytes ${digest}`;
}

/** Sorted by path; hard links name the first path of their inode. */
function lines(rows: Row[]): string[] {
  const first = new Map<number, string>();
  const sorted = rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  return sorted.map((row) => {
    if (!first.has(row.inode)) first.set(row.inode, row.path);
    const xattrs = row.xattrs.map(
      ([name, value]) => `${name}=${summary(Buffer.from(value, 'hex'))}`,
    );
    return [
      row.path,
      row.kind,
      row.kind === 'symlink' ? '' : row.mode.toString(8),
      row.owner,
      `${String(row.links)} links, as ${String(first.get(row.inode))}`,
      row.target,
      row.content,
      xattrs.sort().join(' '),
    ].join(' | ');
  });
}

/** What only one of them has, in a few lines. */
export function differences(expected: string[], actual: string[]): string {
  const missing = expected.filter((line) => !actual.includes(line)).map((line) => `- ${line}`);
  const extra = actual.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`);
  return [...missing.slice(0, 8), ...extra.slice(0, 8)].join('\n');
}

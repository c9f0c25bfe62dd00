/** Plain files: the backing file of each is there with its size, and no file is there without an inode. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../content/errors.js';
import { giveWay } from '../content/turns.js';
import type { Inode, Namespace } from '../namespace/types.js';
import { native } from '../native.js';
import { BACKTRACE_XATTR, decodeBacktrace, pathIn } from '../tiers/backtrace.js';
import type { Tier, TierSet } from '../tiers/types.js';
import { decodeName, nameInode, type CheckDeps, type Findings } from './report.js';
import { walkInodes } from './walks.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const DIRECTORIES = 256;
/** Where a disk was missing while moves were cleaned up, it may be the only copy of what a file lost. */
const LEFT_OVER =
  'mount again; if it is still there, copy back what is needed of it before you remove it by hand';

export async function checkBackingFiles(deps: CheckDeps, findings: Findings): Promise<void> {
  for await (const { ino } of walkInodes(deps.namespace)) {
    // Looked up anew: the walk goes in slices and the file may be gone.
    const inode = deps.namespace.get(ino);
    if (inode && (inode.mode & S_IFMT) === S_IFREG) await checkFile(deps, inode, findings);
  }
}

async function checkFile(deps: CheckDeps, inode: Inode, findings: Findings): Promise<void> {
  const { namespace, tiers, content } = deps;
  const subject = nameInode(namespace, inode.ino);
  if (inode.packedTier !== 0 && !content.hasRecipe(inode.ino)) {
    const repair = 'restore the file from a backup';
    findings.report({ what: 'no-recipe', subject, detail: 'packed, but it has no recipe', repair });
  }
  if (inode.plainTier === 0) return checkBytesSomewhere(inode, subject, findings);
  const tier = tiers.byId(inode.plainTier);
  if (!tier) {
    // Deleted, or read from its packed form.
    if (inode.nlink === 0 || content.hasRecipe(inode.ino)) return;
    const detail = `its bytes were lost with tier number ${inode.plainTier}, which the volume has no more`;
    const repair = 'restore the file from a backup, or delete it';
    findings.report({ what: 'no-tier', subject, detail, repair });
  } else if (tier.state !== 'missing') {
    findings.checked.backingFiles++;
    await checkBackingFile(deps, tier, inode, subject, findings);
  }
}

function checkBytesSomewhere(inode: Inode, subject: string, { report }: Findings): void {
  if (inode.packedTier !== 0 || inode.size === 0) return;
  const detail = `it has ${inode.size} bytes, but neither a backing file nor a recipe`;
  report({ what: 'no-bytes', subject, detail, repair: 'restore the file from a backup' });
}

async function checkBackingFile(
  { namespace, tiers }: CheckDeps,
  tier: Tier,
  inode: Inode,
  subject: string,
  { report }: Findings,
): Promise<void> {
  const path = tiers.backingPath(tier, inode.ino);
  const repair = 'restore the file from a backup';
  try {
    const { size } = await stat(path);
    if (inode.unsettled || size === inode.size) return;
    const detail = `${path} has ${size} bytes, the file has ${inode.size}`;
    report({ what: 'size', subject, detail, repair });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && !isExpected(namespace, inode.ino, tier)) return;
    const why =
      errnoOf(error) === 'ENOENT' ? 'does not exist' : `can't be read (${errnoOf(error)})`;
    report({ what: 'no-backing-file', subject, detail: `${path} ${why}`, repair });
  }
}

/** A deleted file gives its bytes back before its record; another may have moved during the check. */
function isExpected(namespace: Namespace, ino: number, tier: Tier): boolean {
  const inode = namespace.get(ino);
  return inode !== undefined && inode.nlink > 0 && inode.plainTier === tier.id;
}

export async function checkLeftOverFiles(deps: CheckDeps, findings: Findings): Promise<void> {
  for (const tier of deps.tiers.tiers) {
    if (tier.state === 'missing') continue;
    for (let low = 0; low < DIRECTORIES; low++) await checkDirectory(deps, tier, low, findings);
  }
}

async function checkDirectory(
  { namespace, tiers, isMoving }: CheckDeps,
  tier: Tier,
  low: number,
  { report }: Findings,
): Promise<void> {
  const directory = dirname(tiers.backingPath(tier, low));
  const names = await readdir(directory).catch((error: unknown) => {
    const detail = `${directory} can't be read (${errnoOf(error)})`;
    report({ what: 'no-directory', subject: `tier ${tier.name}`, detail, repair: 'mount again' });
    return [];
  });
  const spares = new Set(namespace.spares());
  for (const name of names) {
    const ino = Number.parseInt(name, 16);
    const path = `${directory}/${name}`;
    const isKnown = namespace.get(ino)?.plainTier === tier.id || spares.has(ino) || isMoving?.(ino);
    if (isKnown && tiers.backingPath(tier, ino) === path) continue;
    // In the same turn: a move that has ended since the directory was listed took it away.
    if (!existsSync(path)) continue;
    const subject = `tier ${tier.name}`;
    const detail = `no file has its bytes in ${path}${whatItWas(tiers, path)}`;
    report({ what: 'left-over', subject, detail, repair: LEFT_OVER });
  }
  await giveWay();
}

/** As its backtrace has it, where that can be read. */
function whatItWas({ volumeId }: TierSet, path: string): string {
  try {
    const backtrace = decodeBacktrace(native.getXattr(path, BACKTRACE_XATTR) ?? Buffer.alloc(0));
    const name = backtrace?.volumeId === volumeId ? pathIn(backtrace) : undefined;
    return name === undefined ? '' : `, which was ${decodeName(name)}`;
  } catch {
    return '';
  }
}

/**
 * What a directory has of one tier, before the volume's list of tiers changes. A copy that was not finished, or was made
 * before the volume was last used, must not take the place of a tier; and one that still has anything must not be taken out.
 * Changes nothing.
 */
import { stat } from 'node:fs/promises';
import { generationOf } from '../store/generation.js';
import { notedGeneration } from '../tiers/generation.js';
import { treePath } from '../tiers/marker.js';
import { filesIn } from '../tiers/tier-changes.js';
import { checkBackingFiles } from './backing-check.js';
import { checkPacks } from './pack-check.js';
import { nothingChecked, type CheckDeps } from './report.js';
import { walkInodes } from './walks.js';

const LACKING = ['no-backing-file', 'size', 'no-pack', 'pack-length'];
/** What file systems with coarse times keep apart. */
const COARSEST_SEC = 2;

/** What is not there as it should be, one line each. The one tier of `deps` is the one to look at. */
export async function lackingOn(deps: CheckDeps): Promise<string[]> {
  const lines: string[] = [];
  const findings = {
    checked: nothingChecked(),
    report: ({ what, detail }: { what: string; detail: string }) => {
      if (LACKING.includes(what)) lines.push(detail);
    },
  };
  await checkBackingFiles(deps, findings);
  await checkPacks(deps, findings);
  return lines;
}

/**
 * What differs from `original`, another directory that is the same tier. Of a plain file length and time are compared: a
 * program may have written in place after it was copied.
 */
export async function differingFrom(deps: CheckDeps, original: string): Promise<string[]> {
  const [tier] = deps.tiers.tiers;
  const [here, there] = await Promise.all([tier.path, original].map(notedGeneration));
  // It has been mounted as the tier since: the other one is what is old.
  if (here > there) return [];
  if (here < there) {
    return [`${tier.path} was copied before the volume was mounted for the last time`];
  }
  const lines: string[] = [];
  for await (const { ino, plainTier } of walkInodes(deps.namespace)) {
    if (plainTier !== tier.id) continue;
    const path = deps.tiers.backingPath(tier, ino);
    const from = path.replace(treePath(tier.path), () => treePath(original));
    if (await isOther(path, from)) lines.push(`${path} is not as ${from}`);
  }
  return lines;
}

/** What is on neither side is no difference; `lackingOn` names it. */
async function isOther(path: string, original: string): Promise<boolean> {
  const [is, was] = await Promise.all([path, original].map((one) => stat(one).catch(() => null)));
  if (is === null || was === null) return false;
  return is.size !== was.size || Math.abs(is.mtimeMs - was.mtimeMs) > 1000 * COARSEST_SEC;
}

/**
 * What keeps a tier from being taken out of the volume: what the namespace has there, and files that it does not know. Empty
 * where nothing is left. The one tier of `deps` is the one to look at.
 */
export async function remainingOn({
  tiers,
  namespace,
  store,
  content,
}: CheckDeps): Promise<string[]> {
  const [tier] = tiers.tiers;
  if ((await notedGeneration(tier.path)) > generationOf(store)) {
    return ['files of a newer namespace than this one'];
  }
  let [files, pins] = [0, 0];
  for await (const { plainTier, packedTier, pin } of walkInodes(namespace)) {
    if (plainTier === tier.id || packedTier === tier.id) files++;
    if (pin === tier.id) pins++;
  }
  const { plainBytes, packedBytes } = tiers.usage(tier);
  const packs = content.packs().filter((pack) => pack.tier === tier.id).length;
  const known = [
    ...counted(files, 'file'),
    ...counted(packs, 'pack'),
    ...counted(plainBytes + packedBytes, 'byte'),
    ...counted(pins, 'pin'),
  ];
  return known.length > 0 ? known : strangersOn(tier.path);
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} ${what}${count === 1 ? '' : 's'}`];
}

/** Copies of the namespace are on every tier. */
async function strangersOn(directory: string): Promise<string[]> {
  const tree = treePath(directory);
  const usual = ['/namespace-copy/', '/generation.json'].map((path) => tree + path);
  const files = (await filesIn(directory)) ?? [];
  const strange = files.filter((file) => !usual.some((path) => file.startsWith(path)));
  return strange.length === 0 ? [] : [strange[0], ...counted(strange.length - 1, 'more file')];
}

/**
 * What a crash left in the packs is put in order before anything is served.
 *
 * - A doomed pack is unlinked: nothing refers to it, and that is durable.
 * - An open pack loses its torn tail and is sealed, once it is certain that the index refers to nothing in
 *   that tail. Where the index does, the medium lost what it had confirmed: it is reported, the chunks are
 *   marked bad so that new data heals them, and nothing is cut.
 * - A pack file that the catalogue does not know (the namespace is an older copy) is taken in if it is of
 *   this volume and its number not far beyond the next, heals what the index misses, and is kept until a person says that
 *   it is not needed. So is an open pack of an older copy that became longer since. Other files are left and reported.
 */
import { readdir } from 'node:fs/promises';
import { native, type PackScan } from '../native.js';
import { commitWhereRoom } from '../store/commit.js';
import type { Tier } from '../tiers/types.js';
import type { NamedLocation } from './chunk-index.js';
import { MAX_PACKS_AHEAD, PLAN_SLICE_CHUNKS } from './limits.js';
import { isOwn, packDirectory, scanOwn } from './packs.js';
import { mend } from './parity.js';
import type { ContentParts } from './parts.js';
import { hashAt, type PackRecord } from './records.js';
import { bury, countLive, doom } from './removal.js';
import { giveWay } from './turns.js';
import type { ChunkLocation } from './types.js';

/** `isOlder`: the namespace is an older copy than the packs. */
export async function recover(parts: ContentParts, isOlder: boolean): Promise<void> {
  const found = new Map<Tier, Set<number>>();
  for (const tier of parts.tiers.tiers) {
    if (tier.state !== 'missing') found.set(tier, await packFiles(parts, tier));
  }
  const unknown = unknownFiles(parts, found);
  // As it is before any is taken in: files that are each a little further on must not lead far either.
  const farthest = parts.packs.next + MAX_PACKS_AHEAD;
  for (const [tier, files] of found) noteLost(parts, tier, files);
  for (const [tier, files] of found) await recoverKnown(parts, tier, files, isOlder);
  // Only now: what is known to be lost is what unknown packs can heal.
  for (const { tier, packId } of unknown) {
    await recoverUnknown(parts, tier, packId, farthest);
  }
  await commitWhereRoom(parts.store);
}

function unknownFiles(
  { packs }: ContentParts,
  found: Map<Tier, Set<number>>,
): { tier: Tier; packId: number }[] {
  return [...found].flatMap(([tier, files]) =>
    [...files].filter((packId) => !packs.get(packId)).map((packId) => ({ tier, packId })),
  );
}

function noteLost(parts: ContentParts, tier: Tier, files: Set<number>): void {
  for (const record of [...parts.packs.all()]) {
    if (record.tier === tier.id && !files.has(record.packId)) recoverLost(parts, record);
  }
}

async function recoverKnown(
  parts: ContentParts,
  tier: Tier,
  files: Set<number>,
  isOlder: boolean,
): Promise<void> {
  if (tier.state === 'read-only') return;
  for (const record of [...parts.packs.all()]) {
    if (record.tier !== tier.id || !files.has(record.packId)) continue;
    if (record.state === 'doomed') await bury(parts, record.packId);
    else if (record.state === 'open') await recoverOpen(parts, record, isOlder);
  }
}

/** Numbers of the pack files of a tier. */
export async function packFiles(
  { tiers }: Pick<ContentParts, 'tiers'>,
  tier: Tier,
): Promise<Set<number>> {
  const numbers = new Set<number>();
  for (const name of await readdir(packDirectory(tiers, tier))) {
    const packId = Number.parseInt(name, 16);
    if (tiers.packPath(tier, packId).endsWith(`/${name}`)) numbers.add(packId);
  }
  return numbers;
}

/** Nothing is recorded about its chunks: the file may come back. */
function recoverLost({ packs, log }: ContentParts, { packId, tier, live }: PackRecord): void {
  if (live === 0) return packs.forget(packId);
  packs.setLost(packId);
  log.error({ pack: packId, tier }, 'a pack is lost: its file is not there');
}

async function recoverOpen(
  parts: ContentParts,
  record: PackRecord,
  isOlder: boolean,
): Promise<void> {
  const { packs, log } = parts;
  const path = packs.path(record.packId);
  const before = record.size;
  try {
    if (record.live === 0 && !isOlder) return await removeUnused(parts, record);
    const scan = await scanMended(parts, record);
    const lost = await findLost(parts, record, scan);
    if (lost.some(({ location }) => location.offset >= scan.validLength)) return;
    packs.resize(record.packId, await native.repairPack(path, scan.validLength));
    if (isOlder) await takeBack(parts, path, scan);
    packs.setState(record.packId, isOlder && scan.validLength > before ? 'adopted' : 'sealed');
  } catch (error) {
    log.error({ pack: record.packId, path, err: error }, 'an open pack could not be sealed');
  }
}

/** Once it is sealed anew its parity is gone: what can be mended is mended before. */
async function scanMended(parts: ContentParts, record: PackRecord): Promise<PackScan> {
  const { packId } = record;
  const scan = await scanThere(parts, packId);
  const damaged = markDamaged(parts, packId, scan);
  for (const { name } of await markUnseen(parts, record, scan)) damaged.push(name);
  if (damaged.length === 0) return scan;
  await mend(parts, damaged);
  return scanThere(parts, packId);
}

/** @throws EIO where the disk went away meanwhile: what could not be read then is no damage */
async function scanThere(parts: ContentParts, packId: number): Promise<PackScan> {
  const scan = await scanOwn(parts, packId);
  await parts.tiers.refresh();
  parts.packs.path(packId);
  return scan;
}

async function removeUnused(parts: ContentParts, record: PackRecord): Promise<void> {
  await doom(parts, record);
  if (record.state !== 'doomed') return;
  // A later start does it.
  if (!(await commitWhereRoom(parts.store))) return;
  await bury(parts, record.packId);
}

/** @returns what was marked */
function markDamaged({ index, log }: ContentParts, packId: number, scan: PackScan): Buffer[] {
  const marked: Buffer[] = [];
  for (const record of scan.bad) {
    const found = index.inRecord(hashAt(scan.hashes, record), packId, scan.offsets[record]);
    if (!found) continue;
    index.markBad(found.name);
    log.error({ pack: packId, chunk: found.name.toString('hex') }, 'a chunk is damaged');
    marked.push(found.name);
  }
  return marked;
}

/** Records that the index points to and the pack does not have; their chunks are marked bad. */
async function findLost(
  parts: ContentParts,
  record: PackRecord,
  scan: PackScan,
): Promise<NamedLocation[]> {
  const lost = await markUnseen(parts, record, scan);
  if (lost.length === 0) return lost;
  parts.log.error(
    { pack: record.packId, validLength: scan.validLength, chunks: lost.length },
    'a pack lost data that the medium had confirmed; the files with these chunks are damaged',
  );
  return lost;
}

async function markUnseen(
  parts: ContentParts,
  { packId, live }: PackRecord,
  scan: PackScan,
): Promise<NamedLocation[]> {
  if ((await countLive(parts, packId, scan)) === live) return [];
  const there = new Set(scan.offsets);
  return markChunksOf(parts, packId, ({ offset }) => !there.has(offset));
}

/** Walks the whole index, so only where something is wrong. @returns what was marked. */
async function markChunksOf(
  { index }: ContentParts,
  packId: number,
  concerned: (location: ChunkLocation) => boolean,
): Promise<NamedLocation[]> {
  const marked: NamedLocation[] = [];
  let slice = index.slice(undefined, PLAN_SLICE_CHUNKS);
  while (slice.length > 0) {
    for (const { name, location } of slice) {
      if (location.packId !== packId || !concerned(location)) continue;
      index.markBad(name);
      marked.push({ name, location });
    }
    await giveWay();
    slice = index.slice(slice[slice.length - 1].name, PLAN_SLICE_CHUNKS);
  }
  return marked;
}

async function recoverUnknown(
  parts: ContentParts,
  tier: Tier,
  packId: number,
  farthest: number,
): Promise<void> {
  const { tiers, volumeId, log } = parts;
  const path = tiers.packPath(tier, packId);
  try {
    const scan = await native.scanPack(path, false);
    if (!isOwn(scan, packId, volumeId)) {
      log.warn({ path }, 'a pack of another volume lies here; it is left alone');
      return;
    }
    if (packId > farthest) {
      log.warn({ path }, 'a pack lies here whose number is far beyond the next; it is left alone');
      return;
    }
    const healed = await adoptPack(parts, tier, scan);
    log.warn({ path, healed }, 'a pack that the catalogue did not know was taken in');
  } catch (error) {
    log.warn({ path, err: error }, 'an unknown file is left alone');
  }
}

/** @returns how many chunks the index finds again in it. */
async function adoptPack(parts: ContentParts, tier: Tier, scan: PackScan): Promise<number> {
  const { packId, fileLength: size } = scan;
  // The index still points there where it was given up with its tier, and saved from that since.
  const live = await countLive(parts, packId, scan);
  parts.packs.adopt({ packId, tier: tier.id, size, live, sealed: true, state: 'adopted' });
  return takeBack(parts, parts.tiers.packPath(tier, packId), scan);
}

/** Has the index find in a pack what it has nowhere else. @returns how many chunks */
async function takeBack(parts: ContentParts, path: string, scan: PackScan): Promise<number> {
  const { index } = parts;
  const { packId } = scan;
  const wanted = await lostIn(parts, scan);
  if (wanted.length === 0) return 0;
  // An index says what was written. What the index of the volume is to point to is read before.
  const { bad } = await native.scanPack(path, true);
  const damaged = new Set(bad);
  let healed = 0;
  for (const i of wanted) {
    const lost = lostAt(parts, scan, i);
    if (!lost || damaged.has(i)) continue;
    const to = { packId, offset: scan.offsets[i], stored: scan.stored[i], length: scan.lengths[i] };
    if (index.move(lost.name, lost.location, to)) healed++;
  }
  return healed;
}

/** Which records of a pack hold chunks that the index has nowhere else. */
async function lostIn(parts: ContentParts, scan: PackScan): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < scan.count; i++) {
    if (lostAt(parts, scan, i)) found.push(i);
    if (i % PLAN_SLICE_CHUNKS === PLAN_SLICE_CHUNKS - 1) await giveWay();
  }
  return found;
}

function lostAt({ index }: ContentParts, { hashes }: PackScan, record: number) {
  return index.copies(hashAt(hashes, record)).find(({ good }) => !good);
}

/**
 * Scrub: reads every pack whole, heals damaged chunks or marks them so that new data heals them, and says which files
 * have them. What is good counts as good again. It goes on while the volume is in use.
 */
import { findInRecord } from '../content/chunk-index.js';
import { errnoOf } from '../content/errors.js';
import { hashOf, namesOf } from '../content/names.js';
import { isOwn, loadPacks } from '../content/packs.js';
import { hashAt } from '../content/records.js';
import { giveWay } from '../content/turns.js';
import { hashKey } from '../content/uses.js';
import { native, type PackScan } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { affectedFiles, markedDamaged, type PackOfDamaged } from './affected-files.js';
import { scrubHotCopies } from './hot-copies.js';
import { findMissing } from './missing-records.js';
import { watchTiers, type TierWatch } from './missing-tiers.js';
import { checkRunning, type CheckDeps, type CheckProgress, type Problem } from './report.js';
import { walkTable } from './walks.js';

const SLICE = 2000;

export interface ScrubReport {
  packs: number;
  /** Chunks read. */
  chunks: number;
  /** Damaged chunks that are good now. */
  healed: number;
  /** Chunks that are damaged, by hash in hex. */
  damaged: string[];
  /** Inodes that have one. */
  affected: number[];
  problems: Problem[];
}

/** All that has a checksum: hot copies last, since one that rotted is dropped where its packed form is good by then. */
export async function scrub(
  deps: CheckDeps,
  progress?: CheckProgress,
): Promise<ScrubReport & { copies: number }> {
  const watch = watchTiers(deps.tiers);
  const report = await scrubPacks(deps, progress, watch);
  const hot = await scrubHotCopies(deps, progress, watch);
  const healed = hot.healed + report.healed;
  const problems = [...watch.problems(), ...report.problems, ...hot.problems];
  return { ...report, healed, copies: hot.copies, problems };
}

/** Of tiers that are not there `watch` knows. */
export async function scrubPacks(
  deps: CheckDeps,
  progress?: CheckProgress,
  watch: TierWatch = watchTiers(deps.tiers),
): Promise<ScrubReport> {
  const report: ScrubReport = {
    packs: 0,
    chunks: 0,
    healed: 0,
    damaged: [],
    affected: [],
    problems: [],
  };
  const damaged = new Map<string, number>();
  const packs = [...loadPacks(deps.store).values()];
  for (const [done, { packId, tier: tierId, state }] of packs.entries()) {
    progress?.({ done, total: packs.length });
    const tier = deps.tiers.byId(tierId);
    if (!tier || state === 'doomed' || !watch.isThere(tier)) continue;
    await scrubPack({ deps, watch, damaged, report }, packId, tier);
  }
  const lostPackOf = await findLost(deps, damaged);
  report.healed += await heal(deps, damaged);
  await deps.store.commit();
  report.damaged = [...damaged.keys()].map((key) => hashOf(keyName(key)).toString('hex'));
  if (damaged.size === 0 && !lostPackOf) return report;
  const packOf: PackOfDamaged = (name) => damaged.get(hashKey(name)) ?? lostPackOf?.(name);
  for (const { ino, problem } of await affectedFiles(deps, packOf)) {
    report.affected.push(ino);
    report.problems.push(problem);
  }
  return report;
}

interface Run {
  deps: CheckDeps;
  watch: TierWatch;
  /** The pack of each damaged chunk by its name as key. */
  damaged: Map<string, number>;
  report: ScrubReport;
}

async function scrubPack(run: Run, packId: number, tier: Tier): Promise<void> {
  const { deps, watch, damaged, report } = run;
  const before = loadPacks(deps.store).get(packId);
  if (before === undefined) return;
  const path = deps.tiers.packPath(tier, packId);
  try {
    const scan = ownRecords(deps, packId, await native.scanPack(path, true));
    const isThere = await watch.isStillThere(tier);
    checkRunning(deps);
    if (!isThere) return;
    report.packs++;
    report.chunks += scan.count;
    markBad(deps, packId, scan, damaged);
    report.healed += await markGood(deps, packId, scan);
    await findMissing(deps.store, before, scan, (name) => {
      deps.content.markBadName(name);
      damaged.set(hashKey(name), packId);
    });
  } catch (error) {
    const isThere = await watch.isStillThere(tier);
    checkRunning(deps);
    if (!isThere) return;
    // Compaction may have removed it meanwhile.
    if (!loadPacks(deps.store).has(packId)) return;
    const detail = `${path} can't be read (${errnoOf(error) ?? String(error)})`;
    const repair = 'restore the files that lie in it from a backup';
    report.problems.push({ what: 'no-pack', subject: `pack ${packId}`, detail, repair });
  }
  await giveWay();
}

/** Another pack in its place has nothing that lies in this one, whatever its records say. */
function ownRecords({ tiers }: CheckDeps, packId: number, scan: PackScan): PackScan {
  if (isOwn(scan, packId, Buffer.from(tiers.volumeId, 'hex'))) return scan;
  return { ...scan, count: 0, bad: new Uint32Array() };
}

/** What was marked while it could not be read: its disk was away, or its pack has been restored. @returns how many */
async function markGood(
  deps: CheckDeps,
  packId: number,
  { count, bad, hashes, offsets }: PackScan,
): Promise<number> {
  const isBad = new Set(bad);
  let good = 0;
  for (let i = 0; i < count; i++) {
    const found = findInRecord(deps.store, hashAt(hashes, i), packId, offsets[i]);
    if (found?.location.bad && !isBad.has(i)) {
      deps.content.markGoodName(found.name, found.location);
      good++;
    }
    if (i % SLICE !== SLICE - 1) continue;
    await giveWay();
    checkRunning(deps);
  }
  return good;
}

/**
 * What was lost with a tier is in no pack that could be read. Adds to `damaged` that of which there is another copy, which can be
 * healed. @returns the pack of a lost chunk, or nothing where there are none
 */
async function findLost(
  { store }: CheckDeps,
  damaged: Map<string, number>,
): Promise<PackOfDamaged | undefined> {
  const packs = loadPacks(store);
  const chunks = store.table('chunks');
  const marked = markedDamaged(store);
  const lostPackOf: PackOfDamaged = (name) => {
    const packId = marked(name);
    return packId === undefined || packs.has(packId) ? undefined : packId;
  };
  const isStored = (name: Buffer): boolean =>
    chunks.get(name) !== undefined && marked(name) === undefined;
  let found = false;
  for await (const { key } of walkTable(store, 'damaged', SLICE)) {
    const packId = lostPackOf(key);
    if (packId === undefined) continue;
    found = true;
    if (namesOf(hashOf(key)).some(isStored)) damaged.set(hashKey(key), packId);
  }
  return found ? lostPackOf : undefined;
}

/** Takes out what is good now. @returns how many that are */
async function heal({ content }: CheckDeps, damaged: Map<string, number>): Promise<number> {
  try {
    const healed = await content.heal([...damaged.keys()].map(keyName));
    for (const name of healed) damaged.delete(hashKey(name));
    return healed.length;
  } catch {
    // No room, or a tier that can't be written to: it stays marked and reported.
    return 0;
  }
}

const keyName = (key: string): Buffer => Buffer.from(key, 'latin1');

/** One turn: a chunk is marked where the index still has it in this very record. */
function markBad(
  { store, content }: CheckDeps,
  packId: number,
  { bad, hashes, offsets }: PackScan,
  damaged: Map<string, number>,
): void {
  for (const record of bad) {
    const found = findInRecord(store, hashAt(hashes, record), packId, offsets[record]);
    if (!found) continue;
    content.markBadName(found.name);
    damaged.set(hashKey(found.name), packId);
  }
}

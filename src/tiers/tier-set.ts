/**
 * The tier set of a mounted volume: which directories are there, what lies where in them, how full
 * they are.
 *
 * A tier is written to only while its marker says that it is this tier of this volume; `refresh`
 * looks again, before each job and every few seconds.
 */
import type { Logger } from 'pino';
import { usageError } from '../config/errors.js';
import { native } from '../native.js';
import type { Store } from '../store/types.js';
import { openAccount, type Account, type AccountKind } from './account.js';
import { directoryProblem, overlapProblem, unusable, writeProblem } from './directory.js';
import { markerProblem, readMarker, treePath } from './marker.js';
import { createSpaceProbe, type SpaceProbe } from './space.js';
import {
  isWritable,
  type Tier,
  type TierConfig,
  type TierSet,
  type TierState,
  type TierUsage,
  type VolumeConfig,
} from './types.js';
import { makeTierDirectories } from './volume.js';

/** Below this much free space a tier takes no new data: bytes, or a share of a small tier. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 0.01;
/**
 * How long a tier counts as full after a write failed with ENOSPC though it seemed to have room; less where space
 * is given back.
 */
const FULL_HOLD_MS = 10_000;

export interface OpenTierSet {
  volume: VolumeConfig;
  /** Tier name to the directory where it is mounted now. */
  overrides: Readonly<Record<string, string>>;
  missingTier: 'fail' | 'degraded';
  /** A read-only mount writes nothing to the tiers, so they may be read-only too. */
  readOnly?: boolean;
  store: Store;
  log: Pick<Logger, 'info' | 'warn'>;
}

interface OpenTier extends TierConfig, Tier {
  state: TierState;
  problem: string | null;
  sharesExtents: boolean;
  readonly account: Account;
  readonly space: SpaceProbe;
  draining: boolean;
  fullUntil: number;
  /** Bytes that seemed to be available then. */
  seemedFree: number;
}

/**
 * @throws CoralError (volume or tier unusable) with one line that names the tier and the way out.
 */
export async function openTierSet(options: OpenTierSet): Promise<TierSet> {
  const tiers = configuredTiers(options).map((config) => openTier(config, options.store));
  const problems = await checkTiers(tiers, options);
  for (const tier of tiers) {
    const problem = problems.get(tier.id);
    if (problem !== undefined) {
      options.log.warn({ tier: tier.name }, problem);
      Object.assign(tier, { state: 'missing', problem });
    } else if (!options.readOnly) await makeWritable(tier, options.missingTier);
  }
  const set = createTierSet(tiers, options);
  await set.refresh();
  return set;
}

/**
 * What a mount asks of its tiers, without writing to them. @returns by id what keeps a tier from being used, where
 * that is tolerated. @throws CoralError where a mount is refused
 */
export async function checkTiers(
  tiers: readonly TierConfig[],
  { volume, missingTier, readOnly }: Omit<OpenTierSet, 'store' | 'log' | 'overrides'>,
): Promise<Map<number, string>> {
  const problems = new Map<number, string>();
  for (const tier of tiers) {
    const problem = await openProblem(tier, volume.id);
    if (problem && (!problem.lost || missingTier === 'fail')) throw unusable(problem.text);
    if (problem) problems.set(tier.id, problem.text);
    else if (!readOnly) await readOnlyRefused(tier, missingTier);
  }
  const present = tiers.filter((tier) => !problems.has(tier.id));
  if (present.length === 0) {
    throw unusable(problems.get(tiers[0].id) ?? `${volume.id} has no tier`);
  }
  const overlap = await overlapProblem(present);
  if (overlap) throw unusable(overlap);
  return problems;
}

/** The volume's tiers with the directories of now. @throws usage error */
export function configuredTiers({
  volume,
  overrides,
}: Pick<OpenTierSet, 'volume' | 'overrides'>): TierConfig[] {
  for (const name of Object.keys(overrides)) {
    if (volume.tiers.some((tier) => tier.name === name)) continue;
    const names = volume.tiers.map((tier) => tier.name).join(', ');
    throw usageError(`option tier.${name}: the volume has no such tier; it has ${names}`);
  }
  return volume.tiers.map((tier) => ({ ...tier, path: overrides[tier.name] ?? tier.path }));
}

function openTier(config: TierConfig, store: Store): OpenTier {
  return {
    ...config,
    state: 'ok',
    problem: null,
    sharesExtents: false,
    account: openAccount(store, config.id),
    space: createSpaceProbe(config.path),
    draining: false,
    fullUntil: 0,
    seemedFree: 0,
  };
}

async function makeWritable(tier: OpenTier, missingTier: 'fail' | 'degraded'): Promise<void> {
  if (await readOnlyRefused(tier, missingTier)) return;
  await makeTierDirectories(tier.path);
  tier.sharesExtents = await canShareExtents(tier.path);
}

/** @returns whether it can only be read, and that is tolerated. @throws CoralError where it is not */
async function readOnlyRefused(
  tier: TierConfig,
  missingTier: 'fail' | 'degraded',
): Promise<boolean> {
  const unwritable = await readOnlyProblem(tier);
  if (unwritable !== null && missingTier === 'fail') throw unusable(unwritable);
  return unwritable !== null;
}

/** What a tier's filesystem can, not what it is called: tried, so only where the tier may be written to. */
export function canShareExtents(path: string): Promise<boolean> {
  return native.canShareExtents(treePath(path));
}

/** Why a directory can't be used as this tier now; `lost` where its disk may just not be there yet. */
export async function openProblem(
  tier: TierConfig,
  volumeId: string,
): Promise<{ lost: boolean; text: string } | null> {
  const directory = await directoryProblem(tier);
  if (directory) return { lost: directory.absent, text: directory.text };
  return markerProblem(await readMarker(tier.path), expectation(tier, volumeId));
}

function expectation(tier: TierConfig, volume: string) {
  return { volume, tier: tier.id, name: tier.name, path: tier.path };
}

async function readOnlyProblem(tier: TierConfig): Promise<string | null> {
  const problem = await writeProblem(tier);
  return problem && `${problem}, or mount the volume with -o ro`;
}

/** Callers of one moment share a run, which starts after they called. */
function shared(run: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  let next: Promise<void> | undefined;
  const start = () => {
    next = undefined;
    return run();
  };
  return () => (next ??= last = last.then(start, start));
}

function createTierSet(tiers: OpenTier[], options: OpenTierSet): TierSet {
  const { volume, log, missingTier } = options;
  let readOnly = options.readOnly === true;
  const byId = new Map(tiers.map((tier) => [tier.id, tier]));
  const byName = new Map(tiers.map((tier) => [tier.name, tier]));
  const own = (tier: Tier): OpenTier => byId.get(tier.id)!;

  function report(tier: OpenTier, state: TierState, problem: string | null): void {
    const from = tier.state;
    tier.state = state;
    tier.problem = problem;
    if (from === state) return;
    if (problem === null) log.info({ tier: tier.name }, `tier ${tier.name} is usable again`);
    else log.warn({ tier: tier.name, state }, problem);
  }

  async function refreshTier(tier: OpenTier): Promise<void> {
    const reading = await readMarker(tier.path);
    const lost = markerProblem(reading, expectation(tier, volume.id));
    if (lost) return report(tier, 'missing', lost.text);
    const [unwritable] = await Promise.all([readOnlyProblem(tier), tier.space.refresh()]);
    if (unwritable !== null && !readOnly) return report(tier, 'read-only', unwritable);
    if (isFull(tier)) return report(tier, 'full', fullText(tier));
    report(tier, 'ok', null);
  }

  function account(tier: OpenTier, kind: AccountKind, bytes: number): void {
    tier.account.add(kind, bytes);
    if (bytes >= 0 || tier.state !== 'full') return;
    tier.fullUntil = 0;
    tier.space.expire();
  }

  const refresh = shared(async () => {
    await Promise.all(tiers.map(refreshTier));
  });

  return {
    volumeId: volume.id,
    tiers,
    byId: (id) => byId.get(id),
    byName: (name) => byName.get(name),
    backingPath: (tier, ino) => `${treePath(tier.path)}/files/${low(ino)}/${ino.toString(16)}`,
    incomingPath: (tier, ino) => `${treePath(tier.path)}/incoming/${ino.toString(16)}`,
    packPath: (tier, id) => `${treePath(tier.path)}/packs/${id.toString(16).padStart(8, '0')}.pack`,
    usage: (tier) => usageOf(own(tier)),
    accountPlain: (tier, bytes) => account(own(tier), 'plain', bytes),
    accountPacked: (tier, bytes) => account(own(tier), 'packed', bytes),
    lookAtFull() {
      for (const tier of tiers) {
        if (tier.state !== 'full') continue;
        tier.space.readAnew();
        if (!isFull(tier)) report(tier, 'ok', null);
      }
    },
    noteFull(tier) {
      const full = own(tier);
      full.fullUntil = Date.now() + FULL_HOLD_MS;
      full.seemedFree = full.space.readAnew().available;
      if (full.state === 'ok') report(full, 'full', fullText(full));
    },
    setDraining(tier, draining) {
      const one = own(tier);
      one.draining = draining;
      if (draining && isWritable(one)) report(one, 'full', fullText(one));
      else if (one.state === 'full' && !isFull(one)) report(one, 'ok', null);
    },
    refresh,
    async setReadOnly(wanted) {
      const there = tiers.filter((tier) => tier.state !== 'missing');
      if (!wanted) for (const tier of there) await makeWritable(tier, missingTier);
      readOnly = wanted;
      await refresh();
    },
    get readOnly() {
      return readOnly;
    },
  };
}

/** Where a replaced backing file lies until it is unlinked. */
export function releasedPath(tiers: TierSet, tier: Tier, ino: number): string {
  return `${tiers.incomingPath(tier, ino)}.released`;
}

function low(ino: number): string {
  return (ino % 256).toString(16).padStart(2, '0');
}

function usageOf(tier: OpenTier): TierUsage {
  const plainBytes = tier.account.get('plain');
  const packedBytes = tier.account.get('packed');
  const accounted = plainBytes + packedBytes;
  const used = tier.sharesExtents ? Math.min(accounted, tier.space.read().used) : accounted;
  const capacity = tier.capacity ?? tier.space.read().size;
  const free = tier.state === 'missing' ? 0 : placeable(tier, used);
  const { device, size, available } = tier.space.read();
  return { capacity, used, free, plainBytes, packedBytes, disk: { device, size, available } };
}

function placeable(tier: OpenTier, used: number): number {
  const under = tier.capacity === null ? Infinity : tier.capacity - used;
  return Math.max(0, Math.min(under, tier.space.read().available));
}

function isFull(tier: OpenTier): boolean {
  if (tier.draining) return true;
  const { used, capacity } = usageOf(tier);
  const reserve = Math.min(RESERVE_BYTES, capacity * RESERVE_SHARE);
  if (placeable(tier, used) < reserve) return true;
  return Date.now() < tier.fullUntil && tier.space.read().available < tier.seemedFree + reserve;
}

function fullText(tier: OpenTier): string {
  if (tier.draining) return `tier ${tier.name} takes nothing new: it was told to be emptied`;
  return `tier ${tier.name}: ${tier.path} is full; free space there, or raise its capacity`;
}

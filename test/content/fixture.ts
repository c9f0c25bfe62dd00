/** A real volume in a temporary directory with a content store on it, and seeded files to put there. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, type TestContext } from 'node:test';
import { openContentStore } from '../../src/content/content-store.js';
import type { ContentStore, Recipe } from '../../src/content/types.js';
import { native, type Encoding, type PackWriter } from '../../src/native.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { openTierSet } from '../../src/tiers/tier-set.js';
import type { TierSet, VolumeConfig } from '../../src/tiers/types.js';
import { createVolume, readVolume } from '../../src/tiers/volume.js';

export const FAST = 1;
export const SLOW = 2;

export const AS_IS: Encoding = { level: 0, chainBytes: 0 };

export interface Bench {
  directory: string;
  volume: VolumeConfig;
  store: Store;
  tiers: TierSet;
  content: ContentStore;
  /** What was logged at `warn` and above. */
  complaints: string[];
}

export interface BenchOptions {
  /** Where the tiers' directories are, by name; below the volume otherwise. */
  tierPaths?: Partial<Record<'nvme' | 'hdd', string>>;
  /** Smaller ones make many chunks of little data. */
  chunking?: VolumeConfig['chunking'];
}

/** Makes a volume with the tiers `nvme` (1) and `hdd` (2), and opens it. */
export async function createBench(options: BenchOptions = {}): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-content-'));
  const { mkdir } = await import('node:fs/promises');
  const tiers = (['nvme', 'hdd'] as const).map((name) => ({
    name,
    medium: name,
    path: options.tierPaths?.[name] ?? join(directory, name),
  }));
  for (const { path } of tiers) await mkdir(path, { recursive: true });
  const volume = await createVolume(join(directory, 'volume'), tiers);
  const { chunking = volume.chunking } = options;
  writeFileSync(join(directory, 'volume/volume.json'), JSON.stringify({ ...volume, chunking }));
  return openBench(directory);
}

/** A new bench before each test; nothing may have complained when it is removed. `current`: the one that is open by then. */
export function benchForEach(use: (made: Bench) => void, current: () => Bench): void {
  beforeEach(async () => use(await createBench()));
  afterEach(async () => {
    assert.deepEqual(current().complaints, []);
    await removeBench(current());
  });
}

/** Opens what `createBench` made, and recovers it. */
export async function openBench(directory: string): Promise<Bench> {
  const complaints: string[] = [];
  const complain = (fields: object, text?: string): void => {
    const { err } = fields as { err?: Error };
    complaints.push(`${text}: ${err?.message ?? ''} ${JSON.stringify(fields)}`);
  };
  const log = { info: () => {}, warn: complain, error: complain } as never;
  const volume = await readVolume(join(directory, 'volume'));
  const store = await openStore(join(directory, 'volume', 'namespace'));
  const tiers = await openTierSet({ volume, overrides: {}, missingTier: 'fail', store, log });
  const content = openContentStore({
    store,
    tiers,
    volumeId: volume.id,
    chunking: volume.chunking,
    log,
  });
  await content.recover();
  return { directory, volume, store, tiers, content, complaints };
}

/** Of a bench that is closed: as if the volume had been told that a tier is lost. */
export function withoutTier(directory: string, id: number): void {
  const path = join(directory, 'volume/volume.json');
  const volume = JSON.parse(readFileSync(path, 'utf8')) as VolumeConfig;
  const gone = volume.tiers.find((tier) => tier.id === id)!;
  const tiers = volume.tiers.filter((tier) => tier !== gone);
  writeFileSync(path, JSON.stringify({ ...volume, tiers, nextTier: 1 + volume.tiers.length }));
  rmSync(gone.path, { recursive: true });
}

export async function closeBench(bench: Bench): Promise<void> {
  await bench.content.close();
  await bench.store.close();
}

export async function removeBench(bench: Bench): Promise<void> {
  await closeBench(bench);
  rmSync(bench.directory, { recursive: true, force: true });
}

/**
 * Has the packs that are written until the test ends, or until the function that this returns is called, pass through
 * `change`, which replaces what it wants to of the writer.
 */
export function changeWriters(
  t: TestContext,
  change: (writer: PackWriter, packId: number) => void,
): () => void {
  const border = native as { createPackWriter: typeof native.createPackWriter };
  const { createPackWriter } = border;
  border.createPackWriter = (path, packId, volumeId) => {
    const writer = createPackWriter(path, packId, volumeId);
    change(writer, packId);
    return writer;
  };
  const restore = () => void (border.createPackWriter = createPackWriter);
  t.after(restore);
  return restore;
}

/** The same bytes for the same seed; not compressible. */
export function randomBytes(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

export interface PackOptions {
  tier?: number;
  level?: number;
  /** Bytes; 0 for chunks that don't depend on each other. */
  chainBytes?: number;
  jumpRate?: number;
  batchBytes?: number;
}

export interface Packed {
  recipe: Recipe;
  storedBytes: number;
  newBytes: number;
}

/** Chunks bytes and builds their recipe, without committing it. */
export async function buildRecipe(
  bench: Bench,
  ino: number,
  bytes: Buffer,
  { tier = SLOW, level = 0, chainBytes = 0, batchBytes = 4 << 20, jumpRate }: PackOptions = {},
): Promise<Packed & { abort(): Promise<void> }> {
  const path = join(bench.directory, `input-${ino}`);
  writeFileSync(path, bytes);
  const file = await open(path, 'r');
  const { min, average, max } = bench.volume.chunking;
  const reader = native.createChunkReader(file.fd, min, average, max, batchBytes);
  const job = bench.content.startPacking(ino, tier, { level, chainBytes }, jumpRate);
  try {
    for (let batch = await reader.next(); batch; batch = await reader.next()) {
      await job.add(batch);
    }
    return { ...(await job.finish()), abort: () => job.abort() };
  } catch (error) {
    await job.abort();
    throw error;
  } finally {
    reader.close();
    await file.close();
    rmSync(path);
  }
}

export async function packFile(
  bench: Bench,
  ino: number,
  bytes: Buffer,
  options: PackOptions = {},
): Promise<Packed> {
  const packed = await buildRecipe(bench, ino, bytes, options);
  bench.content.commitRecipe(packed.recipe);
  await bench.store.commit();
  return packed;
}

/** Packs files, by inode, as one group. */
export async function packGroup(
  bench: Bench,
  files: ReadonlyMap<number, Buffer>,
  { tier = SLOW, level = 0, chainBytes = 0, jumpRate }: PackOptions = {},
): Promise<void> {
  const paths = [...files].map(([ino, bytes]) => {
    const path = join(bench.directory, `input-${ino}`);
    writeFileSync(path, bytes);
    return path;
  });
  const lengths = Uint32Array.from(files.values(), ({ length }) => length);
  const group = await native.readFiles(paths, lengths);
  const { min, average, max } = bench.volume.chunking;
  const batch = await group.cut(
    Uint32Array.from(paths.keys()),
    Uint32Array.from(paths.flatMap(() => [min, average, max])),
    new Uint32Array(paths.length),
    new Float64Array(0),
  );
  const encoding = { level, chainBytes };
  const packed = await bench.content.packTogether(
    [...files.keys()],
    batch,
    tier,
    encoding,
    jumpRate,
  );
  for (const { recipe } of packed.files) bench.content.commitRecipe(recipe);
  await bench.store.commit();
  batch.release();
  group.release();
  for (const path of paths) rmSync(path);
}

/** Decodes an inode's recipe. */
export async function readBack(bench: Bench, ino: number): Promise<Buffer> {
  const plan = native.openPlan(await bench.content.planFor(ino));
  const path = join(bench.directory, `output-${ino}`);
  const file = await open(path, 'w+');
  try {
    await native.hydrate(plan, file.fd);
    return readFileSync(path);
  } finally {
    plan.close();
    await file.close();
    rmSync(path);
  }
}

export async function assertReads(bench: Bench, ino: number, bytes: Buffer): Promise<void> {
  const got = await readBack(bench, ino);
  assert.equal(got.length, bytes.length, `inode ${ino} has its length`);
  assert.ok(got.equals(bytes), `inode ${ino} reads as it was packed`);
}

/** Bytes of all packs by the catalogue. */
export function packBytes(bench: Bench): number {
  return bench.content.packs().reduce((sum, { size }) => sum + size, 0);
}

/** Reclaims until nothing more is freed. */
/** Of packs that are open: when nothing was appended since the call before. */
export async function writeParity(bench: Bench): Promise<void> {
  await bench.content.keepParity();
  await bench.content.keepParity();
}

export async function reclaimAll(bench: Bench): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const { recipes, packsRemoved, packsCompacted } = await bench.content.reclaim();
    if (recipes + packsRemoved + packsCompacted === 0) return;
  }
  assert.fail('reclaim finds no end');
}

/**
 * The packs being written: one per tier, shared by all jobs on that tier, which take turns on it. A pack
 * that is full is sealed and the next append begins a new one.
 *
 * A failed append (a full disk) adds nothing, and the pack goes on. A failed sync ends its writing: what was
 * appended since the last one counts as lost, and whoever wanted it synced gets the error. What the index
 * points to in such a pack stays readable.
 */
import { native, type AppendResult, type ChunkBatch, type PackWriter } from '../native.js';
import type { Store } from '../store/types.js';
import type { Tier, TierSet } from '../tiers/types.js';
import { contentError, errnoOf } from './errors.js';
import { PACK_TARGET_BYTES } from './limits.js';
import type { Packs } from './packs.js';
import type { ContentLog } from './parts.js';
import { createLock, type Lock } from './turns.js';
import type { Use } from './uses.js';

export interface Appended extends AppendResult {
  packId: number;
}

export interface PackWriters {
  /** Appends chunks; their pack is in `use.packs` before the first byte is written. @throws ENOSPC */
  append(
    tier: Tier,
    batch: ChunkBatch,
    indexes: Uint32Array,
    level: number,
    use: Use,
  ): Promise<Appended>;
  /** Copies records of another pack. @throws EBADMSG where one is damaged, ENOSPC. */
  copy(
    tier: Tier,
    source: string,
    offsets: Float64Array,
    stored: Uint32Array,
    use: Use,
  ): Promise<Appended>;
  /** Makes everything appended to these packs durable. @throws what made writing one of them fail. */
  sync(packIds: Iterable<number>): Promise<void>;
  isWriting(packId: number): boolean;
  /** Seals the open pack with this number, if it still is one. */
  seal(packId: number): Promise<void>;
  openPacks(): number[];
}

interface OpenPack {
  packId: number;
  tier: Tier;
  writer: PackWriter;
}

export interface PackWriterDeps {
  store: Store;
  tiers: TierSet;
  packs: Packs;
  volumeId: Buffer;
  log: ContentLog;
}

export function createPackWriters(deps: PackWriterDeps): PackWriters {
  const { packs, log } = deps;
  const open = new Map<number, OpenPack>();
  const locks = new Map<number, Lock>();
  const failures = new Map<number, unknown>();

  function lockOf(tier: number): Lock {
    let lock = locks.get(tier);
    if (!lock) locks.set(tier, (lock = createLock()));
    return lock;
  }

  function fail(pack: OpenPack, error: unknown): void {
    failures.set(pack.packId, error);
    open.delete(pack.tier.id);
    pack.writer.close();
    log.warn({ pack: pack.packId, tier: pack.tier.name, err: error }, 'writing a pack failed');
  }

  async function current(tier: Tier): Promise<OpenPack> {
    const pack = open.get(tier.id) ?? (await createPack(deps, tier));
    open.set(tier.id, pack);
    return pack;
  }

  async function sealPack(pack: OpenPack): Promise<void> {
    await pack.writer.seal();
    open.delete(pack.tier.id);
    packs.resize(pack.packId, pack.writer.size);
    packs.setState(pack.packId, 'sealed');
    pack.writer.close();
  }

  async function appendTo(
    pack: OpenPack,
    work: (writer: PackWriter) => Promise<AppendResult>,
  ): Promise<AppendResult> {
    try {
      return await work(pack.writer);
    } catch (error) {
      if (errnoOf(error) === 'EIO') fail(pack, error);
      throw error;
    }
  }

  async function syncPack(pack: OpenPack): Promise<void> {
    try {
      await pack.writer.sync();
    } catch (error) {
      fail(pack, error);
      throw error;
    }
  }

  /** What was appended is not lost with a seal that fails for want of space: a later one may succeed. */
  async function trySeal(pack: OpenPack): Promise<void> {
    try {
      await sealPack(pack);
    } catch (error) {
      log.warn({ pack: pack.packId, tier: pack.tier.name, err: error }, 'a pack was not sealed');
    }
  }

  function write(
    tier: Tier,
    use: Use,
    work: (writer: PackWriter) => Promise<AppendResult>,
  ): Promise<Appended> {
    return lockOf(tier.id)(async () => {
      const pack = await current(tier);
      use.packs.add(pack.packId);
      const result = await appendTo(pack, work);
      packs.resize(pack.packId, pack.writer.size);
      if (pack.writer.size >= PACK_TARGET_BYTES) await trySeal(pack);
      return { packId: pack.packId, offsets: result.offsets, stored: result.stored };
    });
  }

  function withOpen(packId: number, work: (pack: OpenPack) => Promise<void>): Promise<void> {
    return lockOf(packs.get(packId)?.tier ?? 0)(async () => {
      if (failures.has(packId)) throw failures.get(packId);
      const pack = open.get(packs.get(packId)?.tier ?? 0);
      if (pack?.packId === packId) await work(pack);
    });
  }

  return {
    append: (tier, batch, indexes, level, use) =>
      write(tier, use, (writer) => writer.append(batch, indexes, level)),
    copy: (tier, source, offsets, stored, use) =>
      write(tier, use, (writer) => writer.copyRecords(source, offsets, stored)),
    async sync(packIds) {
      for (const packId of [...packIds]) await withOpen(packId, syncPack);
    },
    isWriting: (packId) => open.get(packs.get(packId)?.tier ?? 0)?.packId === packId,
    seal: (packId) => withOpen(packId, sealPack),
    openPacks: () => [...open.values()].map((pack) => pack.packId),
  };
}

async function createPack(deps: PackWriterDeps, tier: Tier): Promise<OpenPack> {
  const { store, tiers, packs, volumeId } = deps;
  if (tier.state === 'missing') throw contentError('EIO', `tier ${tier.name} is missing`);
  for (let atLeast = 1; ; ) {
    const { packId } = packs.create(tier, atLeast);
    try {
      await store.commit();
      const writer = native.createPackWriter(tiers.packPath(tier, packId), packId, volumeId);
      packs.resize(packId, writer.size);
      return { packId, tier, writer };
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      // A file that nobody here knows has the name: it is left for `recover` to look at.
      packs.forget(packId);
      atLeast = packId + 1;
    }
  }
}

/** The packs being written, one per tier. */
import { native, type ChunkBatch, type CopyControl, type Encoding } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { contentError } from './errors.js';
import { TierWriter, type Appended, type PackWriterDeps } from './tier-writer.js';
import type { Use } from './uses.js';

export interface PackWriters {
  /**
   * Appends chunks, in the order of the calls; those that wait for their turn are compressed meanwhile. Their pack is in
   * `use.packs` before the first byte is written. @throws ENOSPC
   */
  append(
    tier: Tier,
    batch: ChunkBatch,
    indexes: Uint32Array,
    encoding: Encoding,
    use: Use,
  ): Promise<Appended>;
  /** Copies records of another pack. @throws EBADMSG where one is damaged or can't be read, ENOSPC, ECANCELED. */
  copy(
    tier: Tier,
    source: { path: string; packId: number },
    offsets: Float64Array,
    stored: Uint32Array,
    use: Use,
    control?: CopyControl,
  ): Promise<Appended>;
  /** Makes everything appended to these packs durable. @throws what made writing one of them fail. */
  sync(packIds: Iterable<number>): Promise<void>;
  isWriting(packId: number): boolean;
  /** Seals the pack if it is open. Where it can't be now it stays open, and that is logged. */
  seal(packId: number): Promise<void>;
  /** Stops writing an open pack without sealing it, unless it `isUsed` by then. */
  abandon(packId: number, isUsed: () => boolean): Promise<void>;
  openPacks(): number[];
  /** Writes the parity of open packs, as `TierWriter` does. */
  keepParity(): Promise<void>;
}

export function createPackWriters(deps: PackWriterDeps): PackWriters {
  const byTier = new Map<number, TierWriter>();

  function on(tier: Tier): TierWriter {
    let writer = byTier.get(tier.id);
    if (!writer) byTier.set(tier.id, (writer = new TierWriter(deps, tier)));
    return writer;
  }

  /** Undefined where nothing was written on the pack's tier since the start. */
  function of(packId: number): TierWriter | undefined {
    return byTier.get(deps.packs.get(packId)?.tier ?? 0);
  }

  return {
    async append(tier, batch, indexes, { level, chainBytes }, use) {
      const encoded = native.encodeChunks(batch, indexes, level, chainBytes);
      // Whoever's turn it is gets the error, which may be there long before.
      encoded.catch(() => {});
      try {
        return await on(tier).write(use, async (writer) => writer.append(await encoded));
      } finally {
        encoded.then(
          (chunks) => chunks.release(),
          () => {},
        );
      }
    },
    copy: (tier, source, offsets, stored, use, control) =>
      on(tier).write(use, (writer) =>
        writer.copyRecords(source.path, source.packId, offsets, stored, control),
      ),
    async sync(packIds) {
      for (const packId of [...packIds]) {
        const writer = of(packId);
        if (!writer) throw contentError('EIO', `pack ${packId} is not there to be synced`);
        await writer.sync(packId);
      }
    },
    isWriting: (packId) => of(packId)?.isWriting(packId) ?? false,
    seal: async (packId) => of(packId)?.seal(packId),
    abandon: async (packId, isUsed) => of(packId)?.abandon(packId, isUsed),
    openPacks: () => [...byTier.values()].flatMap(({ openPackId }) => openPackId ?? []),
    async keepParity() {
      await Promise.all([...byTier.values()].map((writer) => writer.keepParity()));
    },
  };
}

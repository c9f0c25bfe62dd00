/**
 * Parity of packs (README.md here): what one place of a medium loses of a pack is computed from the rest, and written
 * anew. The writer of a pack makes it, when nothing is appended for a while and with the seal; what a crash left
 * without it gets it in the background.
 */
import { existsSync } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import type { ChunkLocation } from './types.js';
import { errnoOf } from './errors.js';
import { PARITY_PACKS } from './limits.js';
import { packDirectory, parityPathOf } from './packs.js';
import type { ContentParts } from './parts.js';
import type { PackRecord } from './records.js';

export interface ParityKeeper {
  /** Makes it for some of the packs that have none. */
  keep(): Promise<void>;
  /** Ends what is under way. */
  stop(): void;
}

export function createParityKeeper(parts: ContentParts): ParityKeeper {
  const { packs, tiers, log } = parts;
  const control = native.createCopyControl();
  /** Packs that have it, or can't. */
  let done: Set<number> | undefined;

  async function look(): Promise<Set<number>> {
    const found = new Set<number>();
    for (const tier of tiers.tiers) {
      if (tier.state === 'missing') continue;
      for (const packId of await parityFiles(parts, tier)) found.add(packId);
    }
    return found;
  }

  async function make({ packId }: PackRecord): Promise<void> {
    try {
      await native.makeParity(packs.path(packId), control);
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'ECANCELED') return;
      log.warn({ pack: packId, err: error }, 'no parity could be made for a pack');
    }
    done?.add(packId);
  }

  return {
    async keep() {
      if (tiers.readOnly) return;
      done ??= await look();
      await parts.writers.keepParity().catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOSPC') log.warn({ err: error }, 'no parity of an open pack');
      });
      let left = PARITY_PACKS;
      for (const record of [...packs.all()]) {
        const { packId } = record;
        if (control.cancelled || left === 0) return;
        if (done.has(packId) || !isWorthIt(parts, record)) continue;
        if (existsSync(parityPathOf(packs.path(packId)))) {
          done.add(packId);
          continue;
        }
        left--;
        await make(record);
      }
    },
    stop: () => control.cancel(),
  };
}

function isWorthIt({ packs }: ContentParts, { packId, state }: PackRecord): boolean {
  return (state === 'sealed' || state === 'adopted') && packs.readableTier(packId)?.state === 'ok';
}

/** Numbers of the packs of a tier that have it. What belongs to no pack is removed. */
async function parityFiles({ packs, tiers }: ContentParts, tier: Tier): Promise<number[]> {
  const found: number[] = [];
  const directory = packDirectory(tiers, tier);
  for (const name of await readdir(directory)) {
    if (!name.includes('.parity')) continue;
    const packId = Number.parseInt(name, 16);
    const isWhole = parityPathOf(tiers.packPath(tier, packId)) === join(directory, name);
    if (isWhole && packs.get(packId)) found.push(packId);
    else if (tier.state !== 'read-only') await unlink(join(directory, name)).catch(() => undefined);
  }
  return found;
}

/** Mends what it can of chunks that are marked bad; they are good then. */
export async function mend(parts: ContentParts, names: readonly Buffer[]): Promise<void> {
  const byPack = new Map<number, { name: Buffer; location: ChunkLocation }[]>();
  for (const name of names) {
    const location = parts.index.get(name);
    if (!location?.bad) continue;
    const others = byPack.get(location.packId);
    if (others) others.push({ name, location });
    else byPack.set(location.packId, [{ name, location }]);
  }
  for (const [packId, chunks] of byPack) await mendIn(parts, packId, chunks);
}

async function mendIn(
  { packs, index, maintenance, log }: ContentParts,
  packId: number,
  chunks: { name: Buffer; location: ChunkLocation }[],
): Promise<void> {
  await maintenance(async () => {
    const tier = packs.readableTier(packId);
    if (!tier || tier.state === 'read-only') return;
    try {
      const good = await native.mendRecords(
        packs.path(packId),
        Float64Array.from(chunks, ({ location }) => location.offset),
        Uint32Array.from(chunks, ({ location }) => location.stored),
      );
      const mended = chunks.filter((_, i) => good[i] === 1);
      for (const { name, location } of mended) index.markGood(name, location);
      if (mended.length === 0) return;
      log.warn({ pack: packId, chunks: mended.length }, 'chunks were mended from parity');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      log.warn({ pack: packId, err: error }, 'the parity of a pack could not be used');
    }
  });
}

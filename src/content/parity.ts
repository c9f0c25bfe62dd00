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
import type { NamedLocation } from './chunk-index.js';
import { errnoOf } from './errors.js';
import { MEND_CHUNKS, PARITY_PACKS } from './limits.js';
import { hashOf } from './names.js';
import { packDirectory, parityPathOf } from './packs.js';
import type { ContentParts } from './parts.js';
import type { PackRecord } from './records.js';

/** @returns what makes parity for some of the packs that have none, each time that it is called */
export function createParityKeeper(parts: ContentParts): () => Promise<void> {
  const { packs, tiers, writers, stopping, log } = parts;
  /** Packs that have it, or can't. */
  const done = new Set<number>();
  let cleaned = false;

  async function make({ packId }: PackRecord): Promise<void> {
    try {
      await native.makeParity(packs.path(packId), stopping);
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'ECANCELED') return;
      log.warn({ pack: packId, err: error }, 'no parity could be made for a pack');
    }
    done.add(packId);
  }

  return async () => {
    if (tiers.readOnly) return;
    if (!cleaned) await removeStray(parts);
    cleaned = true;
    await writers.keepParity();
    let left = PARITY_PACKS;
    for (const record of [...packs.all()]) {
      const { packId } = record;
      if (stopping.cancelled || left === 0) return;
      if (done.has(packId) || !isWorthIt(parts, record)) continue;
      if (existsSync(parityPathOf(packs.path(packId)))) {
        done.add(packId);
        continue;
      }
      left--;
      await make(record);
    }
  };
}

function isWorthIt({ packs }: ContentParts, { packId, state }: PackRecord): boolean {
  return (state === 'sealed' || state === 'adopted') && packs.readableTier(packId)?.state === 'ok';
}

/** Parity whose pack is gone, and what a crash left half written. */
async function removeStray(parts: ContentParts): Promise<void> {
  for (const tier of parts.tiers.tiers) {
    if (tier.state !== 'ok') continue;
    const names = await readdir(packDirectory(parts.tiers, tier)).catch(() => []);
    for (const name of names) if (isStray(parts, tier, name)) await remove(parts, tier, name);
  }
}

/** Of a name that is not ours nothing is known. */
function isStray({ tiers }: ContentParts, tier: Tier, name: string): boolean {
  const [, number, half] = /^([0-9a-f]{8})\.parity(\.new)?$/.exec(name) ?? [];
  if (number === undefined) return false;
  return half !== undefined || !existsSync(tiers.packPath(tier, Number.parseInt(number, 16)));
}

async function remove({ tiers, log }: ContentParts, tier: Tier, name: string): Promise<void> {
  const path = join(packDirectory(tiers, tier), name);
  await unlink(path).catch((error: unknown) => log.warn({ path, err: error }, 'it stays'));
}

/** Mends what it can of chunks that are marked bad; they are good then. */
export async function mend(parts: ContentParts, names: readonly Buffer[]): Promise<void> {
  const byPack = new Map<number, NamedLocation[]>();
  for (const name of names) {
    const location = parts.index.get(name);
    if (!location?.bad) continue;
    const others = byPack.get(location.packId);
    if (others) others.push({ name, location });
    else byPack.set(location.packId, [{ name, location }]);
  }
  for (const [packId, chunks] of byPack) {
    // A slice at a time: whoever removes packs or copies records has to wait for it.
    for (let at = 0; at < chunks.length; at += MEND_CHUNKS) {
      if (parts.stopping.cancelled) return;
      await mendIn(parts, packId, chunks.slice(at, at + MEND_CHUNKS));
    }
  }
}

async function mendIn(
  { packs, index, maintenance, stopping, volumeId, log }: ContentParts,
  packId: number,
  chunks: NamedLocation[],
): Promise<void> {
  await maintenance(async () => {
    const tier = packs.readableTier(packId);
    if (!tier || tier.state === 'read-only') return;
    const records = {
      offsets: Float64Array.from(chunks, ({ location }) => location.offset),
      stored: Uint32Array.from(chunks, ({ location }) => location.stored),
      lengths: Uint32Array.from(chunks, ({ location }) => location.length),
      hashes: Buffer.concat(chunks.map(({ name }) => hashOf(name))),
    };
    try {
      const path = packs.path(packId);
      const good = await native.mendRecords(path, packId, volumeId, records, stopping);
      const mended = chunks.filter((_, i) => good[i] === 1);
      for (const { name, location } of mended) index.markGood(name, location);
      if (mended.length === 0) return;
      log.warn({ pack: packId, chunks: mended.length }, 'chunks were mended from parity');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ECANCELED') return;
      log.warn({ pack: packId, err: error }, 'the parity of a pack could not be used');
    }
  });
}

/**
 * The pack catalogue: which packs exist, on which tier, how long they are and how much of them is live.
 *
 * All records are kept decoded. What changed is written with the group of the turn that changed it, so
 * that `live` and the chunk index always agree on disk. A record is durable before its file is made and
 * goes only after its file is gone: a crash leaves no pack that the catalogue does not know.
 */
import { existsSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { native, type PackScan } from '../native.js';
import type { Store, Table } from '../store/types.js';
import type { Tier, TierSet } from '../tiers/types.js';
import { contentError, errnoOf } from './errors.js';
import { decodePack, encodePack, packKey, type PackRecord } from './records.js';

/** A file that was not there is looked for so often, at most. */
const LOOK_AGAIN_MS = 1000;
/** What kept a pack from being compacted is not tried again for so long: mending may read much of it each time. */
const STUCK_MS = 3_600_000;
const NEXT_PACK = Buffer.from('content/next-pack', 'latin1');

export class Packs {
  private readonly table: Table;
  private readonly meta: Table;
  private readonly records: Map<number, PackRecord>;
  private readonly dirty = new Set<number>();
  /** Packs whose file was not there, and when that was last looked at. Not recorded: the file may come back. */
  private readonly lost = new Map<number, number>();
  /** Packs that could not be compacted, and when. */
  private readonly stuck = new Map<number, number>();

  constructor(
    private readonly store: Store,
    private readonly tiers: TierSet,
  ) {
    this.table = store.table('packs');
    this.meta = store.table('meta');
    this.records = loadPacks(store);
    store.beforeCommit(() => this.writeDirty());
  }

  get(packId: number): PackRecord | undefined {
    return this.records.get(packId);
  }

  all(): Iterable<PackRecord> {
    return this.records.values();
  }

  /** The number that the next pack gets. */
  get next(): number {
    return this.meta.get(NEXT_PACK)?.readUInt32LE(0) ?? 1;
  }

  /** A new record in state `open`. */
  create({ id: tier }: Tier): PackRecord {
    const packId = this.nextId(1);
    const record: PackRecord = {
      packId,
      tier,
      size: 0,
      live: 0,
      sealed: false,
      state: 'open',
    };
    this.insert(record);
    return record;
  }

  /** Takes a found file into the catalogue; the next number is beyond its own. */
  adopt(record: PackRecord): void {
    this.nextId(record.packId);
    this.insert(record);
  }

  addLive(packId: number, bytes: number): void {
    // Leaving a pack that is not known must work: it is how damage heals.
    if (bytes < 0 && !this.records.has(packId)) return;
    this.change(packId).live += bytes;
  }

  /** The file has this many bytes now; accounted to its tier. */
  resize(packId: number, size: number): void {
    const record = this.change(packId);
    this.account(record, size - record.size);
    record.size = size;
  }

  setState(packId: number, state: PackRecord['state']): void {
    const record = this.change(packId);
    record.state = state;
    record.sealed = state !== 'open';
  }

  /** Unlinks the files of a doomed pack, then its record. The doom must be durable. @throws where a file may be left */
  async bury(packId: number): Promise<void> {
    const path = this.path(packId);
    for (const file of [path, parityPathOf(path)]) {
      try {
        await unlink(file);
      } catch (error) {
        if (!isGone(error, file)) throw error;
      }
    }
    this.forget(packId);
  }

  /** Forgets a pack whose file is not there. */
  forget(packId: number): void {
    const record = this.records.get(packId);
    if (!record) return;
    this.account(record, -record.size);
    this.records.delete(packId);
    this.dirty.delete(packId);
    this.lost.delete(packId);
    this.stuck.delete(packId);
    this.table.remove(packKey(packId));
  }

  /** It can't be compacted as it is. */
  setStuck(packId: number): void {
    this.stuck.set(packId, Date.now());
  }

  /** A record in it is no longer damaged, or no longer needed. */
  noteHealed(packId: number): void {
    this.stuck.delete(packId);
  }

  isStuck(packId: number): boolean {
    return Date.now() - (this.stuck.get(packId) ?? -Infinity) < STUCK_MS;
  }

  /** Its file can't be opened. */
  setLost(packId: number): void {
    this.lost.set(packId, Date.now());
  }

  /** Packs with live chunks whose file is not there, on tiers that are. */
  lostPacks(): number[] {
    return [...this.lost.keys()].filter((packId) => {
      const live = this.records.get(packId)?.live ?? 0;
      return live > 0 && this.presentTier(packId) && !this.readableTier(packId);
    });
  }

  /** Its file was not there, and is not, though its directory is. The tier was looked at just before. */
  hasNoFile(packId: number): boolean {
    const tier = this.presentTier(packId);
    if (!tier || !this.lost.has(packId)) return false;
    const path = this.tiers.packPath(tier, packId);
    return existsSync(dirname(path)) && !existsSync(path);
  }

  /** It was on a tier that the volume has no more. */
  isRemoved(packId: number): boolean {
    return this.tiers.byId(this.records.get(packId)?.tier ?? 0) === undefined;
  }

  /** The tier of a pack where it is there, whether the pack's file is or not. */
  presentTier(packId: number): Tier | undefined {
    const tier = this.tiers.byId(this.records.get(packId)?.tier ?? 0);
    return tier?.state === 'missing' ? undefined : tier;
  }

  /** The tier of a pack where its bytes can be read now. */
  readableTier(packId: number): Tier | undefined {
    const tier = this.presentTier(packId);
    return tier && !this.isLost(packId, tier) ? tier : undefined;
  }

  private isLost(packId: number, tier: Tier): boolean {
    const seen = this.lost.get(packId);
    if (seen === undefined) return false;
    if (Date.now() - seen < LOOK_AGAIN_MS) return true;
    const isBack = existsSync(this.tiers.packPath(tier, packId));
    if (isBack) this.lost.delete(packId);
    else this.setLost(packId);
    return !isBack;
  }

  /** @throws EIO where its file or tier is missing or it is unknown. */
  path(packId: number): string {
    const tier = this.readableTier(packId);
    if (tier) return this.tiers.packPath(tier, packId);
    const name = this.tiers.byId(this.records.get(packId)?.tier ?? 0)?.name ?? 'unknown';
    throw contentError('EIO', `pack ${packId} on tier ${name} can't be read: it is not there`);
  }

  private insert(record: PackRecord): void {
    this.records.set(record.packId, record);
    this.change(record.packId);
    this.account(record, record.size);
  }

  /** The record, to be changed in this turn. */
  private change(packId: number): PackRecord {
    const record = this.records.get(packId);
    if (!record) throw contentError('EIO', `pack ${packId} is not in the catalogue`);
    this.dirty.add(packId);
    this.store.touch();
    return record;
  }

  private writeDirty(): void {
    for (const packId of this.dirty) {
      const record = this.records.get(packId);
      if (record) this.table.put(packKey(packId), encodePack(record));
    }
    this.dirty.clear();
  }

  private account(record: PackRecord, bytes: number): void {
    const tier = this.tiers.byId(record.tier);
    if (tier && bytes !== 0) this.tiers.accountPacked(tier, bytes);
  }

  private nextId(atLeast: number): number {
    const packId = Math.max(this.next, atLeast);
    const value = Buffer.alloc(4);
    value.writeUInt32LE(packId + 1);
    this.meta.put(NEXT_PACK, value);
    return packId;
  }
}

/** Every pack record of a store, for checks as well. */
export function loadPacks(store: Store): Map<number, PackRecord> {
  const records = new Map<number, PackRecord>();
  for (const { key, value } of store.table('packs').range(Buffer.alloc(0))) {
    const packId = key.readUInt32BE(0);
    records.set(packId, decodePack(packId, value));
  }
  return records;
}

/**
 * A shallow scan of a pack by its number. @throws EBADMSG where another pack lies in its place: what is true of
 * that one must not be done to this one, nor what is decided about this one to that file.
 */
export async function scanOwn(
  { packs, volumeId }: { packs: Packs; volumeId: Buffer },
  packId: number,
): Promise<PackScan> {
  const path = packs.path(packId);
  const scan = await native.scanPack(path, false);
  // A valid length of 0 means that no header got to the disk.
  if (isOwn(scan, packId, volumeId) || scan.validLength === 0) return scan;
  throw contentError('EBADMSG', `${path} is pack ${scan.packId}, of this or another volume`);
}

/**
 * Whether an error says that a file is no more. Where its tier's disk is away that is ENOENT too, and the file comes
 * back with the disk: then its directory is not there either.
 */
export function isGone(error: unknown, path: string): boolean {
  return errnoOf(error) === 'ENOENT' && existsSync(dirname(path));
}

/** Whether what was scanned is the pack that is to lie there. */
export function isOwn(scan: PackScan, packId: number, volumeId: Buffer): boolean {
  return scan.packId === packId && scan.volumeId.equals(volumeId);
}

/** Where the parity of the pack at this path lies. */
export function parityPathOf(packPath: string): string {
  return packPath.replace(/(\.pack)?$/, '.parity');
}

export function packDirectory(tiers: TierSet, tier: Tier): string {
  return dirname(tiers.packPath(tier, 0));
}

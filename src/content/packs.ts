/**
 * The pack catalogue: which packs exist, on which tier, how long they are and how much of them is live.
 *
 * All records are kept decoded. What changed is written with the group of the turn that changed it, so
 * that `live` and the chunk index always agree on disk. A record is durable before its file is made and
 * goes only after its file is gone: a crash leaves no pack that the catalogue does not know.
 */
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Store } from '../store/types.js';
import type { Tier, TierSet } from '../tiers/types.js';
import { contentError, errnoOf } from './errors.js';
import { decodePack, encodePack, packKey, type PackRecord } from './records.js';

const NEXT_PACK = Buffer.from('content/next-pack', 'latin1');

export interface Packs {
  get(packId: number): PackRecord | undefined;
  all(): Iterable<PackRecord>;
  /** A new record in state `open`. @param atLeast the lowest number to give. */
  create(tier: Tier, atLeast?: number): PackRecord;
  /** Takes a found file into the catalogue. */
  adopt(record: PackRecord): void;
  addLive(packId: number, bytes: number): void;
  /** The file has this many bytes now; accounted to its tier. */
  resize(packId: number, size: number): void;
  setState(packId: number, state: PackRecord['state']): void;
  /** Unlinks the file of a doomed pack, then its record. The doom must be durable. */
  bury(packId: number): Promise<void>;
  /** Forgets a pack whose file is not there. */
  forget(packId: number): void;
  /** The tier of a pack where its bytes can be read now. */
  readableTier(packId: number): Tier | undefined;
  /** @throws EIO where its tier is missing or it is unknown. */
  path(packId: number): string;
}

export function createPacks(store: Store, tiers: TierSet): Packs {
  const table = store.table('packs');
  const meta = store.table('meta');
  const records = loadPacks(store);
  const dirty = new Set<number>();

  function change(packId: number, edit: (record: PackRecord) => void): void {
    const record = records.get(packId);
    if (!record) throw contentError('EIO', `pack ${packId} is not in the catalogue`);
    edit(record);
    dirty.add(packId);
    store.touch();
  }

  store.beforeCommit(() => {
    for (const packId of dirty) {
      const record = records.get(packId);
      if (record) table.put(packKey(packId), encodePack(record));
    }
    dirty.clear();
  });

  function nextId(atLeast: number): number {
    const stored = meta.get(NEXT_PACK)?.readUInt32LE(0) ?? 1;
    const packId = Math.max(stored, atLeast);
    const value = Buffer.alloc(4);
    value.writeUInt32LE(packId + 1);
    meta.put(NEXT_PACK, value);
    return packId;
  }

  function account(record: PackRecord, bytes: number): void {
    const tier = tiers.byId(record.tier);
    if (tier && bytes !== 0) tiers.accountPacked(tier, bytes);
  }

  function insert(record: PackRecord): void {
    records.set(record.packId, record);
    change(record.packId, () => {});
    account(record, record.size);
  }

  const packs: Packs = {
    get: (packId) => records.get(packId),
    all: () => records.values(),
    create(tier, atLeast = 1) {
      const packId = nextId(atLeast);
      const record: PackRecord = {
        packId,
        tier: tier.id,
        size: 0,
        live: 0,
        sealed: false,
        state: 'open',
      };
      insert(record);
      return record;
    },
    adopt(record) {
      nextId(record.packId);
      insert(record);
    },
    addLive(packId, bytes) {
      // Leaving a pack that is not known must work: it is how damage heals.
      if (bytes < 0 && !records.has(packId)) return;
      change(packId, (record) => (record.live += bytes));
    },
    resize(packId, size) {
      change(packId, (record) => {
        account(record, size - record.size);
        record.size = size;
      });
    },
    setState(packId, state) {
      change(packId, (record) => {
        record.state = state;
        record.sealed = state !== 'open';
      });
    },
    async bury(packId) {
      try {
        await unlink(packs.path(packId));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
      packs.forget(packId);
    },
    forget(packId) {
      const record = records.get(packId);
      if (!record) return;
      account(record, -record.size);
      records.delete(packId);
      dirty.delete(packId);
      table.remove(packKey(packId));
    },
    readableTier(packId) {
      const tier = tiers.byId(records.get(packId)?.tier ?? 0);
      return tier && tier.state !== 'missing' ? tier : undefined;
    },
    path(packId) {
      const tier = packs.readableTier(packId);
      if (tier) return tiers.packPath(tier, packId);
      const name = tiers.byId(records.get(packId)?.tier ?? 0)?.name;
      throw contentError('EIO', `pack ${packId} can't be read: tier ${name ?? 'unknown'} is missing`);
    },
  };
  return packs;
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

export function packDirectory(tiers: TierSet, tier: Tier): string {
  return dirname(tiers.packPath(tier, 0));
}

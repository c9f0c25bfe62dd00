/** The content store: chunks in packs, found by hash, and the recipes that make files of them. */
import type { Logger } from 'pino';
import type {
  ChunkBatch,
  CopyControl,
  Encoding,
  GroupBatch,
  PackedPlan,
  PlanHandle,
} from '../native.js';

export type ContentLog = Pick<Logger, 'info' | 'warn' | 'error'>;

/** Where one chunk lies. */
export interface ChunkLocation {
  packId: number;
  /** Offset of the record in the pack, bytes. */
  offset: number;
  /** Record length in the pack with header, bytes. */
  stored: number;
  /** Decoded length, bytes. */
  length: number;
  /** Number of times that recipes name it. */
  references: number;
  /** A check found this copy damaged: it is no dedup hit, and new bytes replace it. */
  bad: boolean;
}

export interface PackInfo {
  packId: number;
  tier: number;
  /** Bytes of the file. */
  size: number;
  /** Bytes of records that the index points to. */
  live: number;
  sealed: boolean;
}

export interface Recipe {
  ino: number;
  /** Bytes. */
  size: number;
  /** 32 bytes per chunk. */
  hashes: Buffer;
  lengths: Uint32Array;
  /** 1 for a run of zeros. */
  zero: Uint8Array;
  /** Which copy of the chunk; 0 for the first. */
  copies: Uint8Array;
}

export interface StoredSummary {
  /** Compressed bytes of the recipe's distinct chunks. */
  storedBytes: number;
  /** Of those, bytes that other recipes name too. */
  sharedBytes: number;
}

/** Of several recipes together: what they have in common counts once. */
export interface JointSummary extends StoredSummary {
  /** Stored bytes by the id of the tier that they lie on. */
  tiers: Map<number, number>;
  /** Name of a chunk that the index does not have; null where it has all. */
  unknown: Buffer | null;
}

export interface ReclaimReport {
  recipes: number;
  chunksRemoved: number;
  packsRemoved: number;
  packsCompacted: number;
  /** Live records that were copied for it. */
  bytesMoved: number;
  bytesFreed: number;
}

/** Mostly dead packs of one tier that there is no room to copy the rest of. */
export interface NoRoom {
  /** Its name. */
  tier: string;
  deadBytes: number;
  /** Bytes of room that the first of them could go with. */
  neededBytes: number;
  freeBytes: number;
}

export interface FullReclaimReport extends ReclaimReport {
  /** Stored bytes that no file needs and that stay; what the others below don't name, since most of their pack is needed. */
  deadBytes: number;
  /** Of those, what stays for want of room. */
  noRoom: NoRoom[];
  /** Of those, what stays since something in the rest of its pack is damaged. */
  deadBesideDamage: number;
}

/** Builds the packed form of one file; nothing refers to it until `commitRecipe`. */
export interface PackingJob {
  /**
   * Looks each chunk up, appends the missing ones, notes the rest. The batch is the job's, which releases it. One call
   * at a time; it resolves when the next batch may come, while this one is still on its way.
   * @throws what one of the batches before failed with
   */
  add(batch: ChunkBatch): Promise<void>;
  /**
   * The next part of the recipe whose chunks have become durable and findable since the last call, or null: it can be
   * read back while the rest is packed. After `finish` all parts together are the recipe.
   */
  takeDurable(): Recipe | null;
  /**
   * Makes every record durable and the recipe's chunks findable. The recipe is to be checked (`takeDurable`), then given
   * to `commitRecipe`; until then, and after `abort`, it is garbage.
   * @returns bytes that its distinct chunks take, and bytes that were appended for it.
   */
  finish(): Promise<{ recipe: Recipe; storedBytes: number; newBytes: number }>;
  /** Gives up, also after `finish`; what was appended is reclaimed later. No effect after the commit. */
  abort(): Promise<void>;
}

/** A recipe that is complete: its chunks are durable and findable. */
export interface PackedFile {
  recipe: Recipe;
  /** Bytes that its distinct chunks take. */
  storedBytes: number;
}

/** Small files that were packed in one step; as after a job's `finish`, each is to be checked and committed, or is garbage. */
export interface PackedTogether {
  /** In the order in which they were given. */
  files: PackedFile[];
  /** All of them, one behind the other, as if they were one file. */
  all: Recipe;
  /** Gives up what is not committed. */
  abort(): void;
}

export interface ContentStore {
  /**
   * `jumpRate`: how much jumping reading the file in order may take,
   * as in `JumpLimits`; Infinity for no bound. @throws ENOSPC
   */
  startPacking(ino: number, tier: number, encoding: Encoding, jumpRate?: number): PackingJob;
  /** The files of a batch, in its order; the rest as in `startPacking`. @throws ENOSPC */
  packTogether(
    inos: readonly number[],
    batch: GroupBatch,
    tier: number,
    encoding: Encoding,
    jumpRate?: number,
  ): Promise<PackedTogether>;
  /**
   * Records the recipe that a job's `finish` gave under its inode, in place of an older one. Synchronous
   * and quick whatever the size: part of the switch. `ino`: where packing began with 0, before there was one.
   */
  commitRecipe(recipe: Recipe, ino?: number): void;
  /** Bytes of all files that got a recipe since the store was opened. */
  committedBytes(): number;
  /** Moves the recipe of an inode to the garbage list; its chunks are released in the background. */
  releaseRecipe(ino: number): void;
  hasRecipe(ino: number): boolean;
  /** Bytes of the file that are in no run of zeros, which hydration leaves as holes; undefined without a recipe. */
  dataBytes(ino: number): number | undefined;
  /**
   * Resolves chunk locations in slices, giving way to the event loop. Open the plan in the same turn, right
   * after the `await`: later its packs may be gone.
   * @throws EIO where a chunk is unknown or its tier is missing, ENOENT without a recipe.
   */
  planFor(ino: number): Promise<PackedPlan>;
  planForRecipe(recipe: Recipe): Promise<PackedPlan>;
  /** Opens the packs of a plan that was just made. @throws EIO where one is not there. */
  openPlan(plan: PackedPlan): PlanHandle;
  /** Makes the plan of an inode and opens it. @throws as `planFor` and `openPlan` */
  openFor(ino: number): Promise<PlanHandle>;
  /** The same without waiting, for a file with few chunks; undefined where `openFor` has to be asked. */
  openAtOnce(ino: number): PlanHandle | undefined;
  /** Small packed files as one, in this order, one behind the other. @throws as `openFor` */
  openTogether(inos: readonly number[]): Promise<PlanHandle>;
  /** Of a file of so many bytes, one at least, of which nothing is left: reading any is EIO. @throws EIO beyond 16 TiB */
  openLost(size: number): PlanHandle;
  /** @throws EIO where a chunk is unknown, ENOENT without a recipe */
  summary(ino: number): Promise<StoredSummary>;
  /**
   * The same of many inodes together, in bounded memory: `inos` is called again where there is too much to be noted at
   * once. What is lost, or deleted meanwhile, does not count.
   */
  jointSummary(inos: () => AsyncIterable<number>): Promise<JointSummary>;
  /**
   * Marks a chunk of an inode's plan as bad, so that it is no longer a dedup hit; not where its tier is missing. What
   * can't be read may only be on a disk that went away: look at the tiers again before (`tiers.refresh`).
   */
  markBad(ino: number, chunkIndex: number): void;
  /**
   * The same where a reader found it damaged in the pack at `packPath`. @returns its name; undefined where it lies in
   * another one by now, or its tier is missing
   */
  markRead(ino: number, chunkIndex: number, packPath: string): Buffer | undefined;
  /** Heals a chunk. @returns whether it is good where it is: who reads it there can go on */
  healInPlace(name: Buffer): Promise<boolean>;
  /** As `markBad`. */
  markBadName(name: Buffer): void;
  /** It was read there and is what its name says; nothing where it lies elsewhere by now. */
  markGoodName(name: Buffer, at: Pick<ChunkLocation, 'packId' | 'offset'>): void;
  /**
   * Mends damaged chunks from the parity of their packs, or stores them anew where another copy is good.
   * @returns the names of those that are good now
   */
  heal(names: Buffer[]): Promise<Buffer[]>;
  /**
   * Moves every chunk of the recipe that lies on another tier to `tier`. @returns bytes moved.
   * @throws ENOSPC; ECANCELED: some chunks have moved then, others not
   */
  relocate(ino: number, tier: number, control?: CopyControl): Promise<number>;
  /**
   * Moves every chunk that lies on one tier to another, whichever recipes name it; what is damaged and can't be healed
   * stays. @returns bytes moved. @throws ENOSPC; ECANCELED: some chunks have moved then, others not
   */
  evacuate(from: number, to: number, control?: CopyControl): Promise<number>;
  packs(): PackInfo[];
  /** What is known to be damaged: chunks, counted up to DAMAGE_COUNTED, and packs whose file is not there. */
  damage(): { badChunks: number; lostPacks: number[] };
  /**
   * Logical bytes of all recipes, stored bytes, and what took no space:
   * logical + unnamed = stored + zeros + dedup + compression.
   */
  savings(): {
    /** Bytes of the files that have a recipe. */
    logicalBytes: number;
    /** Bytes of recipes that no file has: what is being packed, and what reclaim has not given back yet. */
    unnamedBytes: number;
    storedBytes: number;
    /** Of the files, bytes in runs of zeros and in holes. Until an older program's volume was counted, some of them. */
    zeroBytes: number;
    dedupBytes: number;
    compressionBytes: number;
    /** Of the stored bytes, those that were stored again for reading in order. */
    storedAgainBytes: number;
  };
  /** Releases garbage: recipes, unreferenced chunks, empty packs; compacts packs that are mostly dead. */
  reclaim(): Promise<ReclaimReport>;
  /** The same for all that there is now; what becomes garbage meanwhile is left for later calls. */
  reclaimAll(): Promise<FullReclaimReport>;
  /** Makes parity for some of the packs that have none. */
  keepParity(): Promise<void>;
  /** From now on packs that were written under another namespace are reclaimed like others. */
  giveUpAdopted(): void;
  /**
   * Marks the chunks in packs on tiers that the volume has no more, or stores them anew where another copy is good.
   * Durable when it resolves, where the database's disk has room. Called before serving, and again after a crash.
   */
  loseChunks(): Promise<void>;
  /** After that, and once whoever needs them does without: forgets these packs, as part of the current transaction. */
  forgetLostPacks(): void;
  /**
   * Seals or continues what a crash left open; cuts torn tails. Called once before serving. `isOlder`: the namespace is an
   * older copy, and packs have what it does not know.
   */
  recover(isOlder?: boolean): Promise<void>;
  /** Seals open packs. */
  close(): Promise<void>;
}

/** A tier set: the directories on different media that a volume's bytes live on. */

/** What a tier's disk is; `init` asks the kernel where nobody says. */
export const MEDIA = ['nvme', 'ssd', 'hdd'] as const;
export type Medium = (typeof MEDIA)[number];

export interface TierConfig {
  /** 1 to 255, never reused within a volume; 0 means "none" in inodes. */
  id: number;
  name: string;
  medium: Medium;
  path: string;
  /** Bytes that Coral Reef may use here, or null for the whole filesystem. */
  capacity: number | null;
}

/** `<volume>/volume.json`. */
export interface VolumeConfig {
  format: number;
  /** 32 hex digits. */
  id: string;
  created: string;
  /** Fastest first. */
  tiers: TierConfig[];
  /** Bytes. */
  chunking: { min: number; average: number; max: number };
  /** No tier has or had this id or a higher one. Left out where none was added since `init`: one above the highest then. */
  nextTier?: number;
}

export type TierState = 'ok' | 'missing' | 'read-only' | 'full';

/** Whether bytes can be put in place and taken away there; a full one may have no room for them. */
export const isWritable = ({ state }: { state: TierState }): boolean =>
  state === 'ok' || state === 'full';

/** Whether a number that an inode or a pack names is that of a tier which the volume has no more; 0 is none. */
export const isRemoved = (tiers: Pick<TierSet, 'byId'>, id: number): boolean =>
  id !== 0 && tiers.byId(id) === undefined;

export interface TierUsage {
  /** Bytes: the configured limit, or the size of the filesystem. */
  capacity: number;
  /**
   * Bytes accounted to this volume, or all that its filesystem has in use where that is less: blocks that plain
   * files share are accounted to each of them.
   */
  used: number;
  /** Bytes that can still be placed: under the limit and free on the medium. */
  free: number;
  plainBytes: number;
  packedBytes: number;
  /** The filesystem that the tier lies on. */
  disk: DiskUsage;
}

/** Tiers with the same `device` share what is free. */
export interface DiskUsage {
  /** Its st_dev; 0 where it could not be asked for yet. */
  device: number;
  /** Bytes. */
  size: number;
  available: number;
}

export interface Tier extends TierConfig {
  readonly state: TierState;
  /** One clear line where the state is not ok. */
  readonly problem: string | null;
  /** Files on it can share blocks. False where the volume was never mounted for writing: nobody tried. */
  readonly sharesExtents: boolean;
}

export interface TierSet {
  /** 32 hex digits. */
  readonly volumeId: string;
  /** Fastest first. */
  readonly tiers: readonly Tier[];
  byId(id: number): Tier | undefined;
  byName(name: string): Tier | undefined;
  /** `<tier>/.coral-reef/files/<2 hex>/<ino as hex>`; the parent directory exists after `open`. */
  backingPath(tier: Tier, ino: number): string;
  /**
   * `<tier>/.coral-reef/incoming/<ino as hex>`: where a copy is built before it is verified and
   * renamed into place; with `.released` appended, where a replaced backing file goes before it is
   * unlinked.
   */
  incomingPath(tier: Tier, ino: number): string;
  packPath(tier: Tier, packId: number): string;
  usage(tier: Tier): TierUsage;
  /**
   * Adds to the plain bytes accounted to a tier (may be negative); part of the current transaction.
   */
  accountPlain(tier: Tier, bytes: number): void;
  accountPacked(tier: Tier, bytes: number): void;
  /**
   * A write failed with ENOSPC: no new data goes there for some seconds, whatever statfs says, unless more space is
   * free than then.
   */
  noteFull(tier: Tier): void;
  /**
   * While a tier is being emptied it counts as full, whatever room it has: it takes no new data, and gives its own away.
   * Until the volume is closed, or that is taken back.
   */
  setDraining(tier: Tier, draining: boolean): void;
  /**
   * Before a decision about where data goes: looks anew at tiers that are full, in this turn. Free otherwise.
   */
  lookAtFull(): void;
  /**
   * Re-reads marker and free space; changes `state`. Called before a job writes and every few
   * seconds.
   */
  refresh(): Promise<void>;
  /**
   * Whether the volume may be written to, as a remount decides. Must not be called while a call runs.
   * @throws CoralError where it may, but a tier can't be; nothing changed then
   */
  setReadOnly(readOnly: boolean): Promise<void>;
  /** Nothing is to be written, whatever the tiers would take. */
  readonly readOnly: boolean;
}

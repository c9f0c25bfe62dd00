/** The documents that the daemon answers with and `--json` prints: stable field names, bytes, ISO 8601. */
import type { Settings } from '../config/types.js';
import type { FileAttributes } from '../filesystem/adding.js';
import type { Problem } from '../integrity/report.js';
import type { Failure, Job, MigrationStatus } from '../migration/types.js';
import type { Placement, Temperature } from '../policy/types.js';
import type { TierConfig, TierState } from '../tiers/types.js';

export interface WhereDocument {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'other';
  /** Of the form that is served; null for what has no data. */
  tier: string | null;
  form: 'plain' | 'packed' | null;
  class: string | null;
  temperature: Temperature | null;
  heat: number | null;
  /** Tier of the nearest pin, its own or of a directory above. */
  pinned: string | null;
  size: number;
  storedBytes: number;
  /** The part of `storedBytes` that other files use too: deleting this one does not free it. */
  sharedBytes: number;
  /** The packed form under a clean hot copy. */
  packedTier: string | null;
  open: boolean;
  lastOpened: string | null;
}

/** What lies on one tier of the files below a directory. */
export interface TierPartDocument {
  name: string;
  /** Files that are served from there, and their sizes. */
  files: number;
  size: number;
  plainBytes: number;
  /** Of packed files, what several of them have in common once. */
  packedBytes: number;
}

/**
 * The files below, together. What they agree on has its value, and null where they differ; files without data have no
 * part in `tier`, `form` and `packedTier`.
 */
export interface DirectoryDocument extends WhereDocument {
  type: 'directory';
  /** One with several names below counts once, and as if it had none elsewhere. */
  files: number;
  /**
   * Chunks that several of the files name count once, and are shared where others name them too. Blocks that plain files
   * share count in each of them, and as shared: deleting all frees `storedBytes` less `sharedBytes`, or more.
   */
  storedBytes: number;
  sharedBytes: number;
  /** Any of them is. */
  open: boolean;
  /** Of the one that was opened last. */
  lastOpened: string | null;
  /** In the order of the volume, those with any part of it. Stored bytes add up to `storedBytes`. */
  tiers: TierPartDocument[];
}

export interface ExplainDocument extends WhereDocument {
  /** The rule that decides. */
  rule: string;
  placement: Placement;
  /** Where it is and in which form, in a sentence. */
  now: string;
  /** What moves it next and when, or why nothing does. */
  next: string;
  /** What runs and what is queued. */
  jobs: Job[];
}

export interface TierDocument {
  name: string;
  medium: string;
  path: string;
  capacity: number;
  used: number;
  free: number;
  plainBytes: number;
  packedBytes: number;
  high: number;
  low: number;
  /** Plain files on it can share blocks; false as well where nobody could try. */
  sharesExtents: boolean;
  state: string;
  problem: string | null;
}

export interface StatusDocument {
  mountpoint: string;
  volume: string;
  volumeId: string;
  version: string;
  pid: number;
  started: string;
  health: 'ok' | 'degraded';
  problems: string[];
  policy: string;
  readOnly: boolean;
  passthrough: boolean;
  channel: string;
  tiers: TierDocument[];
  savings: {
    /** Logical and unnamed bytes are stored, or saved one way or the other. */
    logicalBytes: number;
    /** What no file has: it is being packed, or has not been given back yet. */
    unnamedBytes: number;
    storedBytes: number;
    /** Holes and runs of zeros, which are stored nowhere. */
    zeroBytes: number;
    dedupBytes: number;
    compressionBytes: number;
    /** Of the stored bytes, those of chunks that were stored again for reading in order. */
    storedAgainBytes: number;
  };
  migration: MigrationStatus;
  counts: { inodes: number; packs: number; unsettled: number; openHandles: number };
}

export interface MoveDocument {
  path: string;
  kind: 'promote' | 'demote';
  files: number;
  bytes: number;
  /** Files that are there already, with no data or not to be moved. */
  skipped: number;
  /** Files that stay, because they are pinned to another tier. */
  pinned: number;
  /** Files that a demotion leaves plain, wherever they are, since they are too large to be packed. */
  tooLarge: number;
  jobs: Job[];
}

/** A regular file that is to be imported: what lstat(2) says of it, and where it goes. Paths are bytes in latin1. */
export interface ImportedFile extends FileAttributes {
  /** Absolute, where it is. */
  source: string;
  dev: number;
  ino: number;
  /** Bytes. */
  size: number;
  /** Below the mount. Its directory is there, and nothing of that name. */
  path: string;
}

/** What became of the files of one request, in its order. `left`: it is to be plain, and for the client to copy. */
export interface ImportAnswer {
  files: (
    | { state: 'left' }
    /** Not `keptAll`: the volume can't store one of its extended attributes. */
    | { state: 'packed'; keptAll: boolean }
    /** `step`: the side that failed. `code`: an errno name, or empty. */
    | { state: 'failed'; step: 'read' | 'write'; error: string; code: string }
  )[];
}

export interface ImportProgress {
  /** How much of the work is done, from 0 to 1. */
  share: number;
}

/** Of `export` and `import`. */
export interface CopyDocument {
  paths: string[];
  directory: string;
  /** What was made: everything that is no directory, and the size of its data. */
  files: number;
  bytes: number;
  directories: number;
  /** Files that were there already, with the same size and time. */
  skipped: number;
  failed: { path: string; error: string }[];
}

export interface RemountDocument {
  mountpoint: string;
  volume: string;
  readOnly: boolean;
  /** Names in `policy show --json` of the settings that changed. */
  changed: string[];
}

export interface PinDocument {
  path: string;
  /** Tier of its own pin until now. */
  before: string | null;
  pinned: string | null;
}

export interface MoveProgress {
  /** Bytes of the files. */
  done: number;
  total: number;
  finished: number;
  files: number;
  /** What the moves wait for, and one line that says it; null while they go on. */
  waits: { for: 'read-only' | 'paused' | 'open'; text: string } | null;
}

export interface PolicyDocument {
  /** `migrateRate` is null for no limit: JSON has no infinity. */
  settings: Omit<Settings, 'migrateRate'> & { migrateRate: number | null };
  /** The operator's rules as text, in order. */
  rules: string[];
}

/** What `fsck` and `scrub` answer. */
/** Of `migration`. */
export interface MigrationDocument extends MigrationStatus {
  /** With the path below the mount point; null where the file was deleted meanwhile. */
  running: (Job & { path: string | null })[];
  /** Files whose last move failed, newest first, some twenty at most. */
  failures: Failure[];
}

export interface CheckDocument {
  /** What was looked at and how many of each. */
  checked: Readonly<Record<string, number>>;
  /** Damaged chunks that were found and are good now, and damaged hot copies whose packed form took their place. */
  healed: number;
  /** Empty where nothing is wrong. */
  problems: Problem[];
}

/** `tier drain`. */
export interface DrainDocument {
  mountpoint: string;
  tier: string;
  to: string;
  /** That were served from there, or packed there. */
  files: number;
  /** Of plain files that moved. */
  bytes: number;
  /** Of packs. */
  packedBytes: number;
}

/** `tier list`. */
export interface TierListDocument {
  volume: string;
  /** Null where it is not mounted. */
  mountpoint: string | null;
  /** Fastest first. `capacity` as configured: null for the whole filesystem. */
  tiers: (TierConfig & { state: TierState; problem: string | null })[];
}

/** `tier add`, `tier set` and `tier remove`. */
export interface TiersChangedDocument {
  volume: string;
  /** The one that was added or changed; null where one was taken out. */
  tier: TierConfig | null;
  tiers: TierConfig[];
  /** What has to be done before the next mount, one line each. */
  warnings: string[];
}

/** What is lost with a tier. */
export interface LossDocument {
  files: number;
  /** Of these, files of which a part is left. */
  partly: number;
  /** Sizes of these files, and bytes of them that are lost. */
  bytes: number;
  lostBytes: number;
  /** Pins to the tier, which are gone with it. */
  pins: number;
  /** Path of the list; null where nothing is lost. */
  list: string | null;
}

/** `tier remove --lost`. */
export interface LostTierDocument extends TiersChangedDocument {
  lost: LossDocument;
}

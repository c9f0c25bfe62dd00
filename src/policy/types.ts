/** Pure functions from facts to wishes. Nothing here does I/O. */
import type { FileClass } from '../config/file-class.js';

export type Temperature = 'HOT' | 'WARM' | 'COLD';

/** What the rules and defaults say about one file. */
export interface Placement {
  /** Tier name for hot data; the fastest by default. */
  tier: string;
  /** Tier name for cold data; the slowest by default. */
  cold: string;
  pack: boolean;
  /** It would be packed if it were not too large for that; `because` says so. */
  tooLarge: boolean;
  promote: 'open' | 'heat' | 'never';
  demote: 'auto' | 'first' | 'last' | 'never';
  /** Unopened for so long, it goes to `cold`. 0: as soon as it has settled. */
  coldAfterMs: number;
  /** Text of the rule that decided, for `explain`. */
  because: string;
}

export interface FileFacts {
  ino: number;
  /** Below the mount, '/a/b', as text. */
  path: string;
  size: number;
  /** Of its size, what is not in holes: the room that it takes where it is plain, and at most where it is packed. */
  bytes: number;
  fileClass: FileClass;
  /** Decayed to now. */
  heat: number;
  /** Milliseconds since the last open. */
  idleMs: number;
  plainTier: string | null;
  packedTier: string | null;
  /** Tier name of the nearest pin, its own or of a directory above. */
  pin: string | null;
  /** Handles open now. */
  open: boolean;
  /** Size and times are recorded: nobody has written since. */
  settled: boolean;
}

/** How full a tier is and may be. */
export interface TierFill {
  name: string;
  /** Bytes that this volume has there, and bytes that it could still place. */
  used: number;
  free: number;
  /** Bytes of the files that moves under way will add. */
  arriving: number;
  /** False where nothing may be written: missing, read-only. */
  writable: boolean;
  /** Percent of used plus free. */
  high: number;
  low: number;
}

/** One thing that policy wants done. */
export type Wish =
  | { kind: 'promote'; ino: number; tier: string; because: string }
  | { kind: 'demote'; ino: number; tier: string; pack: boolean; because: string };

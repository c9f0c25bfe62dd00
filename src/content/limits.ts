/** Sizes that the content store works in, in one place, with what each one trades. */

import type { Medium } from '../tiers/types.js';

/** A pack is sealed when it is this long: few files, yet cheap to compact. Bytes. */
export const PACK_TARGET_BYTES = 256 * 1024 * 1024;

/**
 * A found pack whose number is further than this from the next one is not taken in: 256 TiB of full packs. Numbers
 * have 32 bits and are never reused, so one file with the last number would end packing for ever.
 */
export const MAX_PACKS_AHEAD = 2 ** 20;

/** Chunks per recipe segment. A segment is settled in one turn of the event loop: some milliseconds. */
export const SEGMENT_CHUNKS = 1024;

/** Chunks looked up in one turn while a plan is made. */
export const PLAN_SLICE_CHUNKS = 2000;

/** Memory for plans kept ready, in bytes. */
export const PLAN_CACHE_BYTES = 64 * 1024 * 1024;

/** Records copied between two syncs when chunks move: bounds what is done twice after a crash. */
export const MOVE_BATCH_RECORDS = 1024;

/** Work of one call of `reclaim`. */
export const RECLAIM_SEGMENTS = 4096;
export const RECLAIM_PACKS = 8;

/**
 * So many packs of one size class are merged, and the classes differ by this factor: a byte is copied once for each
 * factor that its pack grows by. Must not be more than RECLAIM_PACKS, for a merge is the work of one call.
 */
export const MERGE_PACKS = 8;

/** Packs from here on are left alone: merging them would save few files. Bytes. */
export const MERGE_BELOW_BYTES = PACK_TARGET_BYTES / 8;

/** What a pack takes beside its records and their index: both headers and the footer. A fresh copy has it too. Bytes. */
export const PACK_FRAME_BYTES = 2 * 4096 + 64;

/**
 * A pack is compacted when less than this share of its records and their index is live. Must be less than 65/113, the
 * smallest record's share of itself and its index entry, or a copy without anything dead would be compacted again.
 */
export const COMPACT_BELOW = 0.5;

/** Where a smaller share of a pack is not live, that is taken for its index: telling the two apart means reading it. */
export const COUNT_DEAD_FROM = 1 / 256;

/** Packs that get their parity in one call of `keep`: reading them takes a hard disk some seconds. */
export const PARITY_PACKS = 4;

/** Chunks that are mended at a time: of a hard disk each may take some seconds. */
export const MEND_CHUNKS = 8;

/** Damaged chunks are counted up to here: whoever asks for the status does not wait for a walk over a disk that died. */
export const DAMAGE_COUNTED = 1000;

export const HASH_BYTES = 32;

/** Chunks with several references that are noted at a time while recipes are summed up: some 60 MiB. */
export const CHUNKS_NOTED = 2 ** 18;

/**
 * Files that would have more chunks stay plain. While a file is packed, its recipe and segments are built in memory: 76
 * bytes per chunk, 1.2 GiB for so many.
 */
const MAX_FILE_CHUNKS = 2 ** 24;

/** The size up to which files may be packed, in bytes. `average` is how long a chunk of the volume is, in bytes. */
export function largestPacked({ average }: { average: number }): number {
  return MAX_FILE_CHUNKS * average;
}

/** So often a chunk is stored again for files that would scatter otherwise; at most 127 fit into a segment. */
export const MAX_COPIES = 3;

/**
 * What a medium reads in the time that it takes to go somewhere else, in bytes. A hard disk seeks and turns for some
 * 8 ms, and reads 150 MB/s.
 */
export const SEEK_BYTES: Readonly<Record<Medium, number>> = { nvme: 0, ssd: 0, hdd: 1_200_000 };

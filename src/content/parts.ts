/** The parts of an open content store, as they know each other. */
import type { CopyControl } from '../native.js';
import type { Store } from '../store/types.js';
import type { TierSet } from '../tiers/types.js';
import type { Appending } from './appending.js';
import type { ChunkIndex } from './chunk-index.js';
import type { PackWriters } from './pack-writers.js';
import type { Packs } from './packs.js';
import type { Recipes } from './recipes.js';
import type { Savings } from './savings.js';
import type { Lock } from './turns.js';
import type { ContentLog } from './types.js';
import type { Uses } from './uses.js';
import type { Zeros } from './zeros.js';

export interface ContentParts {
  store: Store;
  tiers: TierSet;
  /** 16 bytes, as in the header of every pack of this volume. */
  volumeId: Buffer;
  log: ContentLog;
  /** Cancelled when the store is closed: ends what may take long and may be left undone. */
  stopping: CopyControl;
  index: ChunkIndex;
  recipes: Recipes;
  packs: Packs;
  writers: PackWriters;
  savings: Savings;
  zeros: Zeros;
  uses: Uses;
  appending: Appending;
  /** Numbers of garbage recipes that a running job still builds or waits to commit. */
  building: Set<number>;
  /** Held by whoever copies records out of a pack or removes one. */
  maintenance: Lock;
}

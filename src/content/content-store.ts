/**
 * The content store of a volume: puts its parts together. Tables, write order and concurrency: README.md
 * here.
 */
import { native } from '../native.js';
import type { Store } from '../store/types.js';
import type { Tier, TierSet, VolumeConfig } from '../tiers/types.js';
import { createAppending } from './appending.js';
import { createChunkIndex } from './chunk-index.js';
import { contentError } from './errors.js';
import { DAMAGE_COUNTED, SEGMENT_CHUNKS } from './limits.js';
import { evacuate } from './evacuation.js';
import { heal, healInPlace } from './healing.js';
import { forgetPacks, loseChunks } from './lost-packs.js';
import { createPackWriters } from './pack-writers.js';
import { Packing, type BuiltRecipe } from './packing.js';
import { packTogether } from './packing-together.js';
import { Packs } from './packs.js';
import { createParityKeeper } from './parity.js';
import type { ContentParts } from './parts.js';
import { createPlans, segmentsOf, segmentsOfAll, type Plans } from './plans.js';
import { createRecipes } from './recipes.js';
import type { ReclaimState } from './compaction.js';
import { reclaim, reclaimAll } from './reclaim.js';
import { nameAt, type PackRecord, type RecipeHead } from './records.js';
import { recover } from './recovery.js';
import { relocate } from './relocation.js';
import { createSavings } from './savings.js';
import { knownWhole, summarize } from './summary.js';
import { createLock } from './turns.js';
import type { ContentLog, ContentStore, PackInfo, Recipe } from './types.js';
import { createUses } from './uses.js';
import { createZeros } from './zeros.js';

export interface ContentStoreDeps {
  store: Store;
  tiers: TierSet;
  /** 32 hex digits. */
  volumeId: string;
  /** How this volume's files are cut: where given, a batch that was cut otherwise is refused. */
  chunking?: VolumeConfig['chunking'];
  log: ContentLog;
}

/** Opens the tables; touches no pack. Call `recover` before anything else. */
export function openContentStore(deps: ContentStoreDeps): ContentStore {
  const parts = createParts(deps);
  const plans = createPlans(parts);
  return {
    ...filing(parts, plans, deps),
    ...lookingUp(parts, plans),
    ...keeping(parts),
  };
}

function createParts({ store, tiers, volumeId: hex, log }: ContentStoreDeps): ContentParts {
  const volumeId = Buffer.from(hex, 'hex');
  const packs = new Packs(store, tiers);
  const savings = createSavings(store);
  return {
    store,
    tiers,
    volumeId,
    log,
    stopping: native.createCopyControl(),
    packs,
    savings,
    zeros: createZeros(store, savings),
    index: createChunkIndex(store, packs, savings),
    recipes: createRecipes(store),
    writers: createPackWriters({ store, tiers, packs, volumeId, log }),
    uses: createUses(),
    appending: createAppending(),
    building: new Set(),
    maintenance: createLock(),
  };
}

type Filing = Pick<
  ContentStore,
  | 'startPacking'
  | 'packTogether'
  | 'commitRecipe'
  | 'releaseRecipe'
  | 'hasRecipe'
  | 'committedBytes'
>;

function filing(parts: ContentParts, plans: Plans, { chunking }: ContentStoreDeps): Filing {
  const { recipes, savings, zeros, building } = parts;
  const built = new WeakMap<Recipe, BuiltRecipe>();
  const packing = { ...parts, built, chunking };
  let committedBytes = 0;

  function release(ino: number): void {
    const head = recipes.detach(ino);
    if (head) {
      savings.add({ logical: -head.size });
      zeros.add(ino, -head.zeroBytes);
    }
    plans.drop(ino);
  }

  return {
    startPacking: (ino, tier, encoding, jumpRate = Infinity) =>
      new Packing(packing, ino, { tier: tierOf(parts, tier), encoding, jumpRate }),
    packTogether: async (inos, batch, tier, encoding, jumpRate = Infinity) =>
      packTogether(packing, inos, batch, { tier: tierOf(parts, tier), encoding, jumpRate }),
    commitRecipe(recipe, ino = recipe.ino) {
      const found = built.get(recipe);
      if (!found || !building.delete(found.recipeId)) {
        throw new Error(`the recipe for inode ${ino} is no result of a running packing job`);
      }
      release(ino);
      recipes.attach(ino, {
        recipeId: found.recipeId,
        size: recipe.size,
        zeroBytes: found.zeroBytes,
        chunks: recipe.lengths.length,
      });
      savings.add({ logical: recipe.size });
      committedBytes += recipe.size;
      zeros.add(ino, found.zeroBytes);
    },
    releaseRecipe: release,
    hasRecipe: (ino) => recipes.head(ino) !== undefined,
    committedBytes: () => committedBytes,
  };
}

type LookingUp = Pick<
  ContentStore,
  | 'planFor'
  | 'planForRecipe'
  | 'openPlan'
  | 'openFor'
  | 'openAtOnce'
  | 'openTogether'
  | 'openLost'
  | 'dataBytes'
  | 'summary'
  | 'jointSummary'
  | 'markBad'
  | 'markRead'
  | 'markBadName'
  | 'markGoodName'
  | 'packs'
  | 'damage'
  | 'savings'
>;

function lookingUp(parts: ContentParts, plans: Plans): LookingUp {
  const { recipes, index, packs } = parts;

  /** Undefined where there is no such chunk, or it is zeros. */
  function nameOf(ino: number, chunkIndex: number): Buffer | undefined {
    const head = recipes.head(ino);
    if (!head || chunkIndex >= head.chunks) return undefined;
    const segment = Math.floor(chunkIndex / SEGMENT_CHUNKS);
    const chunks = recipes.segment(head.recipeId, segment);
    const at = chunkIndex % SEGMENT_CHUNKS;
    return chunks.zero[at] ? undefined : nameAt(chunks, at);
  }

  function markBad(name: Buffer): void {
    const location = index.get(name);
    if (location && packs.presentTier(location.packId)) index.markBad(name);
  }

  return {
    planFor: plans.planFor,
    planForRecipe: plans.planForRecipe,
    openPlan: plans.open,
    openFor: plans.openFor,
    openAtOnce: plans.openAtOnce,
    openTogether: plans.openTogether,
    openLost: plans.openLost,
    dataBytes(ino) {
      const head = recipes.head(ino);
      return head && head.size - head.zeroBytes;
    },
    async summary(ino) {
      const head = headOf(parts, ino);
      const summary = await summarize(parts, () => segmentsOf(recipes, head));
      const { storedBytes, sharedBytes } = knownWhole(summary);
      return { storedBytes, sharedBytes };
    },
    jointSummary: (inos) => summarize(parts, () => segmentsOfAll(recipes, inos())),
    markBad(ino, chunkIndex) {
      const name = nameOf(ino, chunkIndex);
      if (name) markBad(name);
    },
    markRead(ino, chunkIndex, packPath) {
      const name = nameOf(ino, chunkIndex);
      const packId = name && index.get(name)?.packId;
      const tier = packId === undefined ? undefined : packs.readableTier(packId);
      if (!name || !packId || !tier || packs.path(packId) !== packPath) return undefined;
      index.markBad(name);
      return name;
    },
    markBadName: markBad,
    markGoodName: index.markGood,
    packs: () => Array.from(parts.packs.all(), toInfo),
    damage: () => ({
      badChunks: index.countBad(DAMAGE_COUNTED),
      lostPacks: parts.packs.lostPacks(),
    }),
    savings() {
      const { logical, unique, stored, again } = parts.savings.counters();
      const unnamed = recipes.garbageBytes();
      const zeroBytes = parts.zeros.bytes();
      return {
        logicalBytes: logical,
        unnamedBytes: unnamed,
        storedBytes: stored,
        zeroBytes,
        dedupBytes: Math.max(0, logical - zeroBytes + unnamed - unique),
        compressionBytes: Math.max(0, unique - stored),
        storedAgainBytes: again,
      };
    },
  };
}

type Keeping = Pick<
  ContentStore,
  | 'relocate'
  | 'evacuate'
  | 'reclaim'
  | 'reclaimAll'
  | 'giveUpAdopted'
  | 'loseChunks'
  | 'forgetLostPacks'
  | 'keepParity'
  | 'recover'
  | 'heal'
  | 'healInPlace'
  | 'close'
>;

function keeping(parts: ContentParts): Keeping {
  const state: ReclaimState = { noRoomUntil: new Map(), short: new Set(), closing: false };
  const oneReclaim = createLock();
  const keepParity = createParityKeeper(parts);
  return {
    relocate: (ino, tier, control) => relocate(parts, ino, tierOf(parts, tier), control),
    evacuate: async (from, to, control) =>
      evacuate(parts, tierOf(parts, from), tierOf(parts, to), control),
    reclaim: () => oneReclaim(() => reclaim(parts, state)),
    reclaimAll: () => reclaimAll(parts, state, oneReclaim),
    giveUpAdopted: () => giveUpAdopted(parts),
    loseChunks: () => loseChunks(parts),
    forgetLostPacks: () => forgetPacks(parts),
    keepParity: () => oneReclaim(keepParity),
    async recover(isOlder = false) {
      await recover(parts, isOlder);
      parts.zeros.count().catch((error: unknown) => {
        parts.log.warn({ err: error }, 'the zeros of packed files could not be counted');
      });
    },
    heal: (names) => heal(parts, names),
    healInPlace: (name) => healInPlace(parts, name),
    async close() {
      state.closing = true;
      parts.zeros.stop();
      parts.stopping.cancel();
      await oneReclaim(() => parts.maintenance(() => sealOpenPacks(parts)));
      await parts.store.commit();
    },
  };
}

function giveUpAdopted({ packs }: ContentParts): void {
  for (const { packId, state } of packs.all()) {
    if (state === 'adopted') packs.setState(packId, 'sealed');
  }
}

async function sealOpenPacks({ writers }: ContentParts): Promise<void> {
  for (const packId of writers.openPacks()) {
    await writers.seal(packId);
    // One that could not be sealed is closed as it is; the next start seals it.
    await writers.abandon(packId, () => false);
  }
}

function tierOf({ tiers }: ContentParts, id: number): Tier {
  const tier = tiers.byId(id);
  if (!tier) throw contentError('EIO', `there is no tier with id ${id}`);
  return tier;
}

function headOf({ recipes }: ContentParts, ino: number): RecipeHead {
  const head = recipes.head(ino);
  if (!head) throw contentError('ENOENT', `inode ${ino} has no recipe`);
  return head;
}

function toInfo({ packId, tier, size, live, sealed }: PackRecord): PackInfo {
  return { packId, tier, size, live, sealed };
}

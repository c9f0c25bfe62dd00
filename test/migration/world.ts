/**
 * A volume in a temporary directory with everything that migration works with, all of it real; and
 * a little filesystem on top that makes, writes, reads and deletes files.
 */
import { createCipheriv, createHash } from 'node:crypto';
import {
  access,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openContentStore } from '../../src/content/content-store.js';
import { largestPacked } from '../../src/content/limits.js';
import type { ContentStore } from '../../src/content/types.js';
import type { Rule } from '../../src/config/rule.js';
import type { MigrationSettings } from '../../src/migration/deps.js';
import {
  createMigration,
  type MigrationDeps,
  recoverJobs,
  type RunningMigration,
} from '../../src/migration/migration.js';
import type { Job, JobKind } from '../../src/migration/types.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { type Inode, type Namespace, ROOT_INO } from '../../src/namespace/types.js';
import { native } from '../../src/native.js';
import { compileRules } from '../../src/policy/rules.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { openTierSet } from '../../src/tiers/tier-set.js';
import type { TierSet } from '../../src/tiers/types.js';
import { createVolume, readVolume } from '../../src/tiers/volume.js';
import { createActivity, type TestActivity } from './activity.js';

export const quiet = { info() {}, warn() {}, error() {}, debug() {} };

export interface World {
  root: string;
  store: Store;
  namespace: Namespace;
  tiers: TierSet;
  content: ContentStore;
  activity: TestActivity;
  migration: RunningMigration;
  /** A file in the root directory, plain, settled and durable. */
  add(name: string, data: Buffer, tier?: string): Promise<Inode>;
  /** The same, longer than its data: what follows is a hole up to `size`. */
  addSparse(name: string, data: Buffer, size: number): Promise<Inode>;
  /**
   * Opens for writing as the filesystem would: hydrates, forgets the recipe, replaces all bytes.
   */
  overwrite(inode: Inode, data: Buffer): Promise<void>;
  /** Deletes it as an unlink of a closed file does. */
  remove(inode: Inode): Promise<void>;
  /** What a program would read, whatever the form. */
  read(inode: Inode): Promise<Buffer>;
  /** For example `plain nvme`, `packed hdd`, `plain nvme + packed hdd`. */
  formOf(inode: Inode): string;
  move(kind: JobKind, inode: Inode, tier: string, pack?: boolean): Job;
  /** Submits and waits for the end. */
  done(kind: JobKind, inode: Inode, tier: string, pack?: boolean): Promise<void>;
  /** Bytes that Coral Reef may use on each tier. */
  limit(capacity: number): Promise<void>;
  /** Names of all files in `files/` and `incoming/` of a tier. */
  backing(tier: string): Promise<string[]>;
  close(): Promise<void>;
}

export interface WorldOptions {
  settings?: Partial<MigrationSettings>;
  rules?: Rule[];
  promote?: 'open' | 'heat' | 'never';
  /** Puts something between migration and what it works with. */
  wrap?: (deps: MigrationDeps) => MigrationDeps;
}

/** A world in memory, closed and removed after the test. */
export async function world(t: TestContext, options?: WorldOptions): Promise<World> {
  const made = await openWorld(await temporaryRoot(t), options);
  atEnd(t, () => made.close());
  return made;
}

const cleanups = new WeakMap<TestContext, (() => unknown)[]>();

/** Runs after the test, last one first. */
export function atEnd(t: TestContext, clean: () => unknown): void {
  const known = cleanups.get(t);
  if (known) return void known.unshift(clean);
  const list = [clean];
  cleanups.set(t, list);
  t.after(async () => {
    for (const next of list) await next();
  });
}

/** On tmpfs where there is one: these tests sync a lot. Removed after the test. */
export async function temporaryRoot(t: TestContext): Promise<string> {
  const shm = await isThere('/dev/shm');
  const root = await mkdtemp(join(shm ? '/dev/shm' : tmpdir(), 'coral-migration-'));
  atEnd(t, () => rm(root, { recursive: true, force: true }));
  return root;
}

const SETTINGS: MigrationSettings = {
  migrateRate: Infinity,
  share: 'on',
  compress: { kind: 'auto' },
  fragmentation: 75,
  tierCompress: {},
  watermarks: { high: 99, low: 98 },
  tierWatermarks: {},
  settleMs: 0,
  coldAfterMs: 24 * 3_600_000,
  halfLifeMs: 3_600_000,
};

/** Makes the volume where it is not there yet. */
export async function openWorld(root: string, options: WorldOptions = {}): Promise<World> {
  const directory = join(root, 'volume');
  const volume = await readVolume(directory).catch(() => makeVolume(root));
  const store = await openStore(join(directory, 'namespace'));
  const tiers = await openTierSet({
    volume,
    overrides: {},
    missingTier: 'degraded',
    store,
    log: quiet,
  });
  const namespace = openNamespace(store);
  const { chunking, id: volumeId } = volume;
  const content = openContentStore({ store, tiers, volumeId, chunking, log: quiet });
  await content.recover();
  await recoverJobs({ store, namespace, tiers, log: quiet });
  const activity = createActivity(namespace, tiers);
  const settings = { ...SETTINGS, ...options.settings };
  const { rules = [], promote = 'open', wrap = (same: MigrationDeps) => same } = options;
  const ruleSet = compileRules(
    { rules, promote, coldAfterMs: settings.coldAfterMs },
    tiers.tiers.map(({ name }) => name),
    largestPacked(chunking),
  );
  const parts = { namespace, content, tiers, store, activity, settings, chunking, log: quiet };
  const migration = createMigration(wrap({ ...parts, rules: ruleSet }));
  return operations({ root, store, namespace, tiers, content, activity, migration });
}

async function makeVolume(root: string) {
  const tiers = [];
  for (const name of ['nvme', 'ssd', 'hdd'] as const) {
    await mkdir(join(root, name), { recursive: true });
    tiers.push({ name, path: join(root, name), medium: name });
  }
  return createVolume(join(root, 'volume'), tiers);
}

type Parts = Pick<
  World,
  'root' | 'store' | 'namespace' | 'tiers' | 'content' | 'activity' | 'migration'
>;

function operations(parts: Parts): World {
  const { root, store, namespace, tiers, content, activity, migration } = parts;

  function pathOf(inode: Inode): string {
    return tiers.backingPath(tiers.byId(inode.plainTier)!, inode.ino);
  }

  async function settled(inode: Inode): Promise<void> {
    await activity.settle([inode.ino]);
    await store.commit();
  }

  function move(kind: JobKind, inode: Inode, tier: string, pack = true): Job {
    return migration.submit(kind, inode.ino, tier, { pack, because: 'test', urgent: true });
  }

  return {
    ...parts,
    async add(name, data, tier = 'nvme') {
      const inode = namespace.create({ mode: 0o100644, uid: 0, gid: 0 });
      Object.assign(inode, { nlink: 1, parent: ROOT_INO, name, unsettled: true });
      Object.assign(inode, { plainTier: tiers.byName(tier)!.id, heat: 1, heatAt: Date.now() });
      namespace.insert(ROOT_INO, name, inode.ino, 8);
      namespace.update(inode);
      await writeFile(pathOf(inode), data, { flush: true });
      await settled(inode);
      return inode;
    },
    async addSparse(name, data, size) {
      const inode = await this.add(name, data);
      await truncate(pathOf(inode), size);
      inode.unsettled = true;
      namespace.update(inode);
      await settled(inode);
      return inode;
    },
    async overwrite(inode, data) {
      const handle = activity.open(inode.ino, 'write');
      await migration.hydrateNow(inode.ino);
      inode = namespace.get(inode.ino)!;
      content.releaseRecipe(inode.ino);
      Object.assign(inode, { packedTier: 0, packedBytes: 0, digest: '', unsettled: true });
      namespace.update(inode);
      await store.commit();
      await writeFile(pathOf(inode), data, { flush: true });
      handle.close();
      await settled(inode);
    },
    async remove({ ino }) {
      const inode = namespace.get(ino)!;
      namespace.remove(ROOT_INO, inode.name);
      content.releaseRecipe(inode.ino);
      const path = inode.plainTier === 0 ? null : pathOf(inode);
      const tier = tiers.byId(inode.plainTier);
      if (tier) tiers.accountPlain(tier, -512 * inode.plainBlocks);
      inode.nlink = 0;
      namespace.destroy(inode);
      await store.commit();
      if (path) await rm(path, { force: true });
    },
    async read(inode) {
      if (inode.plainTier !== 0) return readFile(pathOf(inode));
      if (inode.packedTier === 0) return Buffer.alloc(0);
      const plan = native.openPlan(await content.planFor(inode.ino));
      try {
        return await native.readPlan(plan, 0, inode.size);
      } finally {
        plan.close();
      }
    },
    formOf({ plainTier, packedTier }) {
      const name = (id: number): string => tiers.byId(id)?.name ?? '';
      const forms = [
        plainTier && `plain ${name(plainTier)}`,
        packedTier && `packed ${name(packedTier)}`,
      ];
      return forms.filter(Boolean).join(' + ');
    },
    move,
    done: (kind, inode, tier, pack) => migration.finished(move(kind, inode, tier, pack)),
    async limit(capacity) {
      for (const tier of tiers.tiers) Object.assign(tier, { capacity });
      await tiers.refresh();
    },
    async backing(tier) {
      const found = await readdir(join(root, tier, '.coral-reef'), { recursive: true });
      return found.filter((name) => /^(files\/..|incoming)\/./.test(name)).sort();
    },
    async close() {
      await migration.close();
      await content.close();
      await store.close();
    },
  };
}

/** Bytes that look like weights: no two blocks alike, every second byte compressible. */
export function randomBytesOf(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const bytes = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
  for (let i = 0; i < length; i += 2) bytes[i] &= 0x0f;
  return bytes;
}

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

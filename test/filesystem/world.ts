/**
 * A filesystem without a kernel: a real volume in a temporary directory, everything behind the operations
 * real as well, and a session that only notes what the kernel and the native threads would be told.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Rule } from '../../src/config/rule.js';
import type { Settings } from '../../src/config/types.js';
import { openContentStore } from '../../src/content/content-store.js';
import type { ContentStore } from '../../src/content/types.js';
import { createFilesystem, type Filesystem } from '../../src/filesystem/filesystem.js';
import type { Attributes, Caller, SetattrRequest } from '../../src/fuse/operations.js';
import { createMigration, recoverJobs } from '../../src/migration/migration.js';
import type { RunningMigration } from '../../src/migration/migration.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { type Inode, type Namespace, ROOT_INO } from '../../src/namespace/types.js';
import type { DataServer } from '../../src/fuse/data-server.js';
import { native } from '../../src/native.js';
import type { Log } from '../../src/observe/log.js';
import { compileRules } from '../../src/policy/rules.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { openTierSet } from '../../src/tiers/tier-set.js';
import type { TierSet } from '../../src/tiers/types.js';
import { createVolume, readVolume } from '../../src/tiers/volume.js';
import { atEnd, quiet, temporaryRoot } from '../migration/world.js';

export { isThere, randomBytesOf } from '../migration/world.js';
export { ROOT_INO };

export const { O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC } = constants;
export const ME: Caller = { uid: 1000, gid: 1000, pid: 1 };

export interface World {
  root: string;
  store: Store;
  namespace: Namespace;
  tiers: TierSet;
  content: ContentStore;
  migration: RunningMigration;
  filesystem: Filesystem;
  operations: Filesystem['operations'];
  /** What the session was told, such as `servePlain 5`. */
  calls: string[];
  inode(ino: number): Inode;
  getattr(ino: number): Promise<Attributes>;
  setattr(ino: number, fields: Partial<SetattrRequest>): Promise<Attributes>;
  /** A closed file with that content, in the root directory unless told. */
  add(name: string, content?: Buffer | string, parent?: number): Promise<number>;
  mkdir(name: string, parent?: number, mode?: number): Promise<number>;
  /** The inode number behind a name, 0 for none. */
  find(name: string, parent?: number): Promise<number>;
  open(ino: number, flags: number): Promise<void>;
  close(ino: number, flags: number): Promise<void>;
  backingPath(ino: number): string;
  /** Writes as the kernel does: to the backing file, past the daemon. */
  write(ino: number, content: Buffer | string, offset?: number): void;
  /** What a program would read, whatever the form. */
  read(ino: number): Promise<Buffer>;
  settle(ino: number): Promise<void>;
  /** Moves a settled file to the slowest tier, packed or plain. */
  demote(ino: number, pack: boolean): Promise<void>;
  end(): Promise<void>;
}

export interface WorldOptions {
  rules?: Rule[];
  /** Bytes of each tier; the whole filesystem where it is not given. */
  capacities?: number[];
  /** Long unless told: files settle when a test says so. */
  settleMs?: number;
  /** MS_* flags of the mount. */
  mountFlags?: number;
}

export async function world(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const root = await temporaryRoot(t);
  await makeVolume(root, options.capacities ?? []);
  return openWorld(t, root, options);
}

/** What a start would find if the machine stopped now. Nothing is recovered yet. */
export async function afterCrash(t: TestContext, before: World): Promise<World> {
  const root = await temporaryRoot(t);
  execFileSync('cp', ['-a', `${before.root}/.`, root]);
  return openWorld(t, root, {});
}

const TIERS = ['nvme', 'ssd', 'hdd'] as const;

async function makeVolume(root: string, capacities: number[]): Promise<void> {
  const tiers = [];
  for (const [index, name] of TIERS.entries()) {
    await mkdir(join(root, name));
    const capacity = capacities[index] ?? null;
    tiers.push({ name, path: join(root, name), medium: name, capacity });
  }
  await createVolume(join(root, 'volume'), tiers);
}

function settingsOf(options: WorldOptions): Settings {
  const { rules = [], settleMs = 3_600_000, mountFlags: flags = 0 } = options;
  return {
    policy: 'balanced',
    tierDirectories: {},
    watermarks: { high: 99, low: 98 },
    tierWatermarks: {},
    promote: 'never',
    settleMs,
    coldAfterMs: 24 * 3_600_000,
    halfLifeMs: 3_600_000,
    compress: { kind: 'auto' },
    fragmentation: 75,
    tierCompress: {},
    migrateRate: Infinity,
    share: 'on',
    passthrough: 'auto',
    channel: 'native',
    missingTier: 'fail',
    waitForTiersMs: 0,
    configFile: null,
    rules,
    log: 'error',
    mount: { flags, readOnly: false, allowOther: false, autoUnmount: false, contexts: [] },
  };
}

async function openWorld(t: TestContext, root: string, options: WorldOptions): Promise<World> {
  const volume = await readVolume(join(root, 'volume'));
  const overrides = Object.fromEntries(TIERS.map((name) => [name, join(root, name)]));
  const store = await openStore(join(root, 'volume', 'namespace'));
  const log = quiet as unknown as Log;
  const { chunking, id: volumeId } = volume;
  const tiers = await openTierSet({ volume, overrides, missingTier: 'fail', store, log });
  const namespace = openNamespace(store);
  const content = openContentStore({ store, tiers, volumeId, chunking, log });
  await content.recover();
  const settings = settingsOf(options);
  const filesystem = createFilesystem({ namespace, content, tiers, settings, log });
  await recoverJobs({ store, namespace, tiers, log });
  const rules = compileRules(settings, TIERS, Infinity);
  const { activity } = filesystem;
  const shared = { namespace, content, tiers, store, activity, rules, settings, chunking, log };
  const migration = createMigration(shared);
  filesystem.setMigration(migration);
  const calls: string[] = [];
  filesystem.attach(serverNoting(calls));
  const { operations } = filesystem;
  const parts = {
    root,
    store,
    namespace,
    tiers,
    content,
    migration,
    filesystem,
    operations,
    calls,
  };
  const made: World = { ...parts, ...helpers(parts), end: once(end) };
  atEnd(t, () => made.end());
  return made;

  async function end(): Promise<void> {
    await migration.close();
    await filesystem.close();
    await content.close();
    await store.close();
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => (running ??= work());
}

function serverNoting(calls: string[]): DataServer {
  let backings = 0;
  const note = (name: string) => (subject: number) => void calls.push(`${name} ${subject}`);
  return {
    servePlain: note('servePlain'),
    servePacked: note('servePacked'),
    unserve: note('unserve'),
    backingOpen: () => ++backings,
    backingClose: note('backingClose'),
    invalidateInode: note('invalidateInode'),
    endReadAhead: (ino) => Promise.resolve(void calls.push(`endReadAhead ${ino}`)),
    writeBack: (ino) => Promise.resolve(void calls.push(`writeBack ${ino}`)),
    expireAccessTime: () => undefined,
    invalidateEntry: note('invalidateEntry'),
  };
}

type Parts = Omit<World, keyof Helpers | 'end'>;

type Helpers = Pick<
  World,
  | 'inode'
  | 'getattr'
  | 'setattr'
  | 'add'
  | 'mkdir'
  | 'find'
  | 'open'
  | 'close'
  | 'backingPath'
  | 'write'
  | 'read'
  | 'settle'
  | 'demote'
>;

function helpers(parts: Parts): Helpers {
  const { namespace, tiers, migration, filesystem, operations, content } = parts;
  const inode = (ino: number): Inode => {
    const found = namespace.get(ino);
    assert(found !== undefined, `inode ${ino} is gone`);
    return found;
  };
  const backingPath = (ino: number): string =>
    tiers.backingPath(tiers.byId(inode(ino).plainTier)!, ino);
  const write = (ino: number, data: Buffer | string, offset = 0): void => {
    const fd = openSync(backingPath(ino), 'r+');
    writeSync(fd, Buffer.from(data), 0, Buffer.byteLength(data), offset);
    closeSync(fd);
  };
  return {
    inode,
    backingPath,
    write,
    getattr: async (ino) => operations.getattr(ME, ino),
    setattr: async (ino, fields) => operations.setattr(ME, { ...NOTHING, ino, ...fields }),
    async add(name, data = '', parent = ROOT_INO) {
      const { attributes } = await operations.create(ME, parent, name, O_RDWR, 0o644);
      if (data.length > 0) write(attributes.ino, data);
      await operations.release(attributes.ino, O_RDWR, 0);
      return attributes.ino;
    },
    mkdir: async (name, parent = ROOT_INO, mode = 0o755) =>
      (await operations.mkdir(ME, parent, name, mode)).ino,
    find: async (name, parent = ROOT_INO) => (await operations.lookup(ME, parent, name)).ino,
    open: async (ino, flags) => void (await operations.open(ME, ino, flags, 0)),
    close: async (ino, flags) => operations.release(ino, flags & 3, 0),
    async read(ino) {
      const { plainTier, packedTier, size } = inode(ino);
      if (plainTier !== 0) return readFileSync(backingPath(ino));
      if (packedTier === 0) return Buffer.alloc(0);
      const plan = native.openPlan(await content.planFor(ino));
      try {
        return await native.readPlan(plan, 0, size);
      } finally {
        plan.close();
      }
    },
    settle: (ino) => filesystem.activity.settle([ino]),
    async demote(ino, pack) {
      await filesystem.activity.settle([ino]);
      const options = { pack, because: 'test', urgent: true };
      await migration.finished(migration.submit('demote', ino, 'hdd', options));
    },
  };
}

export const NOTHING: SetattrRequest = {
  ino: 0,
  valid: 0,
  size: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  mode: 0,
  uid: 0,
  gid: 0,
};

/** The operation fails with that errno name, at once or later. */
export async function fails(code: string, action: () => unknown): Promise<void> {
  await assert.rejects(async () => action(), { code });
}

/** Waits for a state that background work reaches; only a hang meets the deadline. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`never happened: ${what}`);
}

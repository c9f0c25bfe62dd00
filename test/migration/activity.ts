/**
 * Open files as the filesystem would report them, for tests of migration: small, but it keeps the
 * promises.
 */
import { native, Stat } from '../../src/native.js';
import type { FileActivity } from '../../src/migration/types.js';
import type { Namespace } from '../../src/namespace/types.js';
import type { TierSet } from '../../src/tiers/types.js';

export interface TestActivity extends FileActivity {
  open(ino: number, mode: 'read' | 'write'): { close(): void };
  /** What was said of moved files, in order. */
  readonly movedInos: number[];
}

interface Counts {
  total: number;
  writers: number;
  changes: number;
  idle: (() => void)[];
}

export function createActivity(namespace: Namespace, tiers: TierSet): TestActivity {
  const files = new Map<number, Counts>();
  const movedInos: number[] = [];

  function counts(ino: number): Counts {
    const known = files.get(ino) ?? { total: 0, writers: 0, changes: 0, idle: [] };
    files.set(ino, known);
    return known;
  }

  function close(file: Counts, writer: number): void {
    file.total--;
    file.writers -= writer;
    if (file.total > 0) return;
    const waiting = file.idle;
    file.idle = [];
    for (const callback of waiting) callback();
  }

  function settleOne(ino: number): void {
    const inode = namespace.get(ino);
    const tier = inode && tiers.byId(inode.plainTier);
    if (!inode?.unsettled || !tier || counts(ino).writers > 0) return;
    const stat = new Float64Array(Stat.length);
    native.statPath(tiers.backingPath(tier, ino), stat);
    tiers.accountPlain(tier, 512 * (stat[Stat.blocks] - inode.plainBlocks));
    inode.size = stat[Stat.size];
    inode.plainBlocks = stat[Stat.blocks];
    inode.unsettled = false;
    namespace.update(inode);
  }

  return {
    movedInos,
    handles: (ino) => counts(ino),
    isUsed: (ino, fd) => counts(ino).total > 0 || native.hasOthers(fd),
    changeCount: (ino) => counts(ino).changes,
    whenIdle(ino, callback) {
      const file = counts(ino);
      if (file.total === 0) callback();
      else file.idle.push(callback);
    },
    moved: (ino) => void movedInos.push(ino),
    async settle(inos) {
      for (const ino of inos) settleOne(ino);
    },
    open(ino, mode) {
      const file = counts(ino);
      const writer = mode === 'write' ? 1 : 0;
      file.total++;
      file.writers += writer;
      file.changes += writer;
      return { close: () => close(file, writer) };
    },
  };
}

/** Where new data goes and what a file is: the filesystem's questions to policy. */
import { LRUCache } from 'lru-cache';
import type { FileClass } from '../config/file-class.js';
import { classifyByPath } from '../policy/classify.js';
import { compileRules, type RuleSet } from '../policy/rules.js';
import { pinOf } from '../namespace/pins.js';
import type { Inode } from '../namespace/types.js';
import { isWritable, type Tier } from '../tiers/types.js';
import type { Context } from './context.js';

/** A tier with less room than this takes no new file. */
const ROOM_BYTES = 8 << 20;

export class Placing {
  /** Paths of directories by inode number; emptied when a directory is renamed. */
  private readonly directories = new LRUCache<number, string>({ max: 10_000 });

  private readonly rules: RuleSet;

  constructor(private readonly ctx: Context) {
    this.rules = compileRules(
      ctx.settings,
      ctx.tiers.tiers.map((tier) => tier.name),
      // Only tiers and what `open` does are asked for here.
      Infinity,
    );
  }

  /** Path below the mount, '/a/b'. */
  pathIn(parent: number, name: string): string {
    let directory = this.directories.get(parent);
    if (directory === undefined) {
      directory = this.ctx.namespace.pathOf(parent) ?? '';
      this.directories.set(parent, directory);
    }
    return directory === '/' ? `/${name}` : `${directory}/${name}`;
  }

  directoryMoved(): void {
    this.directories.clear();
  }

  classify(parent: number, name: string): FileClass {
    return classifyByPath(this.pathIn(parent, name));
  }

  /** Where a packed file goes because it is opened, if anywhere. */
  tierOnOpen(inode: Inode): string | undefined {
    // Which placement it is takes as long as the rest of an open.
    if (!this.rules.maySay('open')) return undefined;
    const path = this.pathIn(inode.parent, inode.name);
    const facts = { path, fileClass: inode.fileClass, size: inode.size };
    const { promote, tier } = this.rules.placementFor(facts);
    return promote === 'open' ? tier : undefined;
  }

  /** Tiers for the data of a new file, best first: the pinned or placed one, then the others in order. */
  tiersForNew(parent: number, name: string, fileClass: FileClass): Tier[] {
    const { ctx } = this;
    const pinned = ctx.tiers.byId(pinOf(ctx.namespace, parent));
    const wanted = pinned?.name ?? this.placedTier(this.pathIn(parent, name), fileClass);
    ctx.tiers.lookAtFull();
    const usable = ctx.tiers.tiers.filter(
      (tier) => tier.state === 'ok' && ctx.tiers.usage(tier).free > ROOM_BYTES,
    );
    return usable.sort((a, b) => Number(b.name === wanted) - Number(a.name === wanted));
  }

  /**
   * The same for a file that is there and has no data. Its backing file takes next to nothing: where no tier has room, the
   * program hears of that when it writes.
   */
  tiersForExisting(parent: number, name: string, fileClass: FileClass): Tier[] {
    const { tiers } = this.ctx;
    const best = this.tiersForNew(parent, name, fileClass);
    const others = tiers.tiers.filter((tier) => isWritable(tier) && !best.includes(tier));
    others.sort((a, b) => tiers.usage(b).free - tiers.usage(a).free);
    return [...best, ...others];
  }

  private placedTier(path: string, fileClass: FileClass): string {
    return this.rules.placementFor({ path, fileClass, size: 0 }).tier;
  }
}

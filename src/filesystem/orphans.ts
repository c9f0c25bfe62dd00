/**
 * Orphans: inodes without a name. They live on while a program or the kernel holds them; then their bytes
 * are released. Steps: 1. the transaction that removed the last name is durable; 2. the backing file is
 * unlinked; 3. the record goes. A crash at any point leaves the orphan in its set, and the steps are
 * done again at the next start. Orphans whose tier is not there wait for it.
 */
import { native } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { isWritable, type Tier } from '../tiers/types.js';
import { noLongerLost } from './backing.js';
import type { Context } from './context.js';

/** Releases gather this long, so that one commit serves many. */
const GATHER_MS = 200;
/**
 * While a tree is being deleted its backing files wait for the end of that: unlinking them takes the processors that
 * whoever deletes is waiting for. Not for longer than about this, and not where their room may be needed: because it is
 * much, or a tier has little left.
 */
const MOST_WAIT_MS = 2000;
const MUCH_BYTES = 64 << 20;
const LITTLE_LEFT_BYTES = 1 << 30;
/** So often it is looked whether a tier is back that orphans wait for. */
const LOOK_AGAIN_MS = 10_000;
/** Backing files unlinked in one job: programs that open files wait for its thread, too. */
const BATCH = 512;
const ENOENT = 2;
/** Before another attempt, where the namespace could not be written. */
const RETRY_MS = 5000;
/** The unit of `plainBlocks`. */
const BLOCK = 512;

export class Orphans {
  /** Without a name, and not yet forgotten by the kernel or still open. */
  private readonly held = new Set<number>();
  private ready: number[] = [];
  /** What unlinking `ready` gives back, about. */
  private readyBytes = 0;
  /** Those whose tier is missing, or can't be written to. */
  private readonly waiting = new Map<Tier, number[]>();
  private timer: NodeJS.Timeout | null = null;
  private again: NodeJS.Timeout | null = null;
  private closed = false;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly ctx: Context) {}

  /** The last name went. */
  add(inode: Inode): void {
    this.ctx.namespace.addOrphan(inode.ino);
    this.held.add(inode.ino);
  }

  /** It has a name again (linked from /proc/self/fd). */
  remove(ino: number): void {
    this.held.delete(ino);
    this.ctx.namespace.removeOrphan(ino);
  }

  /** The kernel dropped the inode. Where handles are still being released, they come right after. */
  forget(ino: number): void {
    if (!this.held.has(ino)) return;
    const file = this.ctx.files.peek(ino);
    if (file !== undefined) file.whenIdle.push(() => this.release(ino));
    else this.release(ino);
  }

  /** Nothing holds it any more. */
  private release(ino: number): void {
    if (!this.held.delete(ino)) return;
    this.ready.push(ino);
    this.readyBytes += (this.ctx.namespace.get(ino)?.plainBlocks ?? 0) * BLOCK;
    if (this.timer === null) this.gather(performance.now() + MOST_WAIT_MS);
  }

  /** Flushes once nothing more comes. */
  private gather(latest: number): void {
    const known = this.ready.length;
    this.timer = setTimeout(() => {
      const more = this.ready.length > known && performance.now() < latest;
      if (more && !this.isRoomNeeded()) this.gather(latest);
      else void this.flush();
    }, GATHER_MS);
    this.timer.unref();
  }

  private isRoomNeeded(): boolean {
    const { tiers } = this.ctx;
    const isShort = (tier: Tier): boolean =>
      tier.state !== 'missing' && tiers.usage(tier).free < LITTLE_LEFT_BYTES;
    return this.readyBytes >= MUCH_BYTES || tiers.tiers.some(isShort);
  }

  /** Releases at once what nothing holds any more. Never rejects. */
  flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.running = this.running
      .then(() => this.drain())
      .catch((error: unknown) =>
        this.ctx.log.error({ err: error }, 'deleted files keep their bytes until the next start'),
      );
    return this.running;
  }

  private async drain(): Promise<void> {
    const back = await this.takeWaiting();
    const batch = this.ready.splice(0).concat(back);
    this.readyBytes = 0;
    if (batch.length === 0) return;
    if (!(await this.removedDurably(batch))) return;
    for (let i = 0; i < batch.length; i += BATCH) await this.releaseAll(batch.slice(i, i + BATCH));
  }

  /** Those whose tier is there by now. */
  private async takeWaiting(): Promise<number[]> {
    const { tiers } = this.ctx;
    if (this.waiting.size === 0) return [];
    await tiers.refresh();
    let back: number[] = [];
    for (const [tier, inos] of this.waiting) {
      if (tiers.readOnly || !isWritable(tier)) continue;
      this.waiting.delete(tier);
      back = back.concat(inos);
    }
    if (this.waiting.size > 0) this.lookAgain();
    return back;
  }

  private lookAgain(): void {
    this.again ??= setTimeout(() => {
      this.again = null;
      void this.flush();
    }, LOOK_AGAIN_MS).unref();
  }

  /** Its tier is missing, or can't be written to. */
  private wait(tier: Tier, ino: number): void {
    const others = this.waiting.get(tier);
    if (others === undefined) this.waiting.set(tier, [ino]);
    else others.push(ino);
    this.lookAgain();
  }

  /** Step 1. @returns false where the namespace's disk is full: they wait until there is room. */
  private async removedDurably(batch: readonly number[]): Promise<boolean> {
    const { namespace } = this.ctx;
    try {
      await namespace.commit();
      return true;
    } catch (error) {
      if (namespace.failed === null) throw error;
      this.ready = this.ready.concat(batch);
      if (this.timer === null && !this.closed) {
        this.timer = setTimeout(() => void this.flush(), RETRY_MS);
        this.timer.unref();
      }
      return false;
    }
  }

  /** Steps 2 and 3. */
  private async releaseAll(inos: number[]): Promise<void> {
    const withBacking = new Map<Tier, Inode[]>();
    for (const ino of inos) this.sortOut(ino, withBacking);
    for (const [tier, inodes] of withBacking) await this.unlinkBackings(tier, inodes);
  }

  /** Finishes what has no backing file; the others are put to their tiers. */
  private sortOut(ino: number, withBacking: Map<Tier, Inode[]>): void {
    const { ctx } = this;
    const inode = ctx.namespace.get(ino);
    if (inode === undefined) return ctx.namespace.removeOrphan(ino);
    // It has a name again since it was let go, or had one and is held anew.
    if (inode.nlink > 0 || this.held.has(ino)) return;
    ctx.files.forgetIdle(ino);
    if (inode.plainTier === 0) return this.finish(inode);
    const tier = ctx.tiers.byId(inode.plainTier);
    // The volume has no such tier any more, and no other one gets its number.
    if (tier === undefined) return this.finish(inode);
    if (!isWritable(tier)) return this.wait(tier, ino);
    const others = withBacking.get(tier);
    if (others === undefined) withBacking.set(tier, [inode]);
    else others.push(inode);
  }

  private async unlinkBackings(tier: Tier, inodes: Inode[]): Promise<void> {
    const { ctx } = this;
    const paths = inodes.map(({ ino }) => ctx.tiers.backingPath(tier, ino));
    const results = await native.removeFiles(paths);
    const isAway = results.includes(-ENOENT) && !(await this.isThere(tier));
    inodes.forEach(({ ino }, index) => {
      const failed = -results[index];
      if (failed === ENOENT && isAway) return this.wait(tier, ino);
      const inode = ctx.namespace.get(ino);
      if (inode === undefined) return ctx.namespace.removeOrphan(ino);
      // One that fails must not keep the others from their turn.
      if (failed !== 0 && failed !== ENOENT) return this.keep(inode, failed);
      ctx.tiers.accountPlain(tier, -inode.plainBlocks * BLOCK);
      this.finish(inode);
    });
  }

  /** Of the files of a tier whose disk is away nothing is known, and what is known of the tier may be a minute old. */
  private async isThere(tier: Tier): Promise<boolean> {
    await this.ctx.tiers.refresh();
    return tier.state !== 'missing';
  }

  private keep({ ino }: Inode, errno: number): void {
    const text = 'a deleted file keeps its bytes until the next start';
    this.ctx.log.error({ ino, errno }, text);
  }

  private finish(inode: Inode): void {
    const { ctx } = this;
    if (inode.packedTier !== 0) ctx.content.releaseRecipe(inode.ino);
    noLongerLost(ctx, inode);
    ctx.namespace.destroy(inode);
    ctx.namespace.removeOrphan(inode.ino);
  }

  /** At start nothing holds any orphan. @returns how many there were. */
  async recover(): Promise<number> {
    const left = this.ctx.namespace.orphans();
    this.ready = this.ready.concat(left);
    await this.drain();
    return left.length;
  }

  /** After the mount ended nothing holds any orphan. */
  async close(): Promise<void> {
    this.ready = this.ready.concat([...this.held]);
    this.held.clear();
    this.closed = true;
    await this.flush();
    if (this.again !== null) clearTimeout(this.again);
  }
}

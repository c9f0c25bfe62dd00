/**
 * Settling: some time after the last writer left, a file's data is made durable, its size and times are
 * recorded, its backtrace is written, and it is classified by its content.
 *
 * `unsettled` in the inode is durable for as long as the backing file may be newer than the record, so
 * that a start after a crash looks at just these files.
 */
import { classifyByContent, HEAD_BYTES } from '../policy/classify.js';
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';
import type { Tier } from '../tiers/types.js';
import { recordBacking } from './attributes.js';
import { isHarmless } from './backtraces.js';
import type { Context } from './context.js';
import { isRegular } from './modes.js';

/** From this many files on, one flush of the whole tier costs less than one of each file. */
const FLUSH_TOGETHER = 16;
const BATCH = 512;

/** A file between the look at it and the flush. */
interface Prepared {
  ino: number;
  fd: number;
  tier: number;
  changes: number;
  head: Buffer;
}

export class Settling {
  private readonly due = new Map<number, number>();
  private timer: NodeJS.Timeout | null = null;
  private closed = false;
  private running: Promise<void> = Promise.resolve();
  private readonly stat = new Float64Array(Stat.length);

  constructor(private readonly ctx: Context) {}

  /** The last writer left now, or a crash left it so. */
  schedule(ino: number): void {
    if (this.closed) return;
    this.due.delete(ino);
    this.due.set(ino, Date.now() + this.ctx.settings.settleMs);
    this.arm();
  }

  private arm(): void {
    if (this.timer !== null || this.due.size === 0 || this.closed) return;
    const [first] = this.due.values();
    const wait = Math.max(first - Date.now(), 10);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.running = this.settleDue(Date.now()).catch((error: unknown) =>
        this.ctx.log.error({ err: error }, 'settling failed; it is tried again'),
      );
      void this.running.then(() => this.arm());
    }, wait);
    this.timer.unref();
  }

  private async settleDue(until: number): Promise<void> {
    const batch: number[] = [];
    for (const [ino, at] of this.due) {
      if (at > until || batch.length >= BATCH) break;
      batch.push(ino);
      this.due.delete(ino);
    }
    await this.settleAll(batch);
  }

  private async settleAll(inos: readonly number[]): Promise<void> {
    const prepared: Prepared[] = [];
    try {
      for (const [tier, inodes] of this.byTier(inos)) await this.prepare(prepared, tier, inodes);
      await this.flush(prepared);
      for (const file of prepared) this.finish(file);
    } catch (error) {
      this.ctx.log.warn({ err: error }, 'files could not be settled; it is tried again');
      for (const { ino } of prepared) this.schedule(ino);
    } finally {
      for (const { fd } of prepared) native.close(fd);
    }
  }

  private byTier(inos: readonly number[]): Map<Tier, Inode[]> {
    const tiers = new Map<Tier, Inode[]>();
    for (const ino of inos) {
      const inode = this.settleable(ino);
      if (inode !== undefined && this.isMapped(ino)) continue;
      const tier = inode && this.ctx.tiers.byId(inode.plainTier);
      if (!tier || tier.state === 'missing' || tier.state === 'read-only') continue;
      const others = tiers.get(tier);
      if (others === undefined) tiers.set(tier, [inode]);
      else others.push(inode);
    }
    return tiers;
  }

  /** A mapping may still write to it: it is looked at again later. */
  private isMapped(ino: number): boolean {
    const mapped = this.ctx.files.writtenByMapping(ino);
    if (mapped) this.schedule(ino);
    return mapped;
  }

  /** Steps 1 to 3: backtraces, heads, and what must not change until the end. */
  private async prepare(prepared: Prepared[], tier: Tier, inodes: Inode[]): Promise<void> {
    const { ctx } = this;
    const changes = inodes.map(({ ino }) => ctx.files.changeCount(ino));
    const inos = inodes.map(({ ino }) => ino);
    const known = inodes.map(({ ino }) => ctx.files.knows(ino));
    const { fds, labelled, written, heads } = await native.labelFiles(
      inos.map((ino) => ctx.tiers.backingPath(tier, ino)),
      inodes.map((inode) => encodeBacktrace(ctx.namespace, ctx.tiers.volumeId, inode)),
      BACKTRACE_XATTR,
      HEAD_BYTES,
    );
    inos.forEach((ino, i) => {
      const fd = fds[i];
      // Left by a program that was using the volume before a crash.
      const mapped = !known[i] && written[i] === 1;
      const errno = fd < 0 ? -fd : isHarmless(-labelled[i]) ? 0 : -labelled[i];
      if (errno === 0 && !mapped) {
        prepared.push({ ino, fd, tier: tier.id, changes: changes[i], head: heads[i] });
      } else {
        if (fd >= 0) native.close(fd);
        if (mapped) this.schedule(ino);
        else this.failed(ino, errno);
      }
    });
  }

  private failed(ino: number, errno: number): void {
    // It may have been deleted meanwhile.
    if (this.settleable(ino) === undefined) return;
    this.ctx.log.warn({ ino, errno }, 'a file could not be settled; it is tried again');
    this.schedule(ino);
  }

  private async flush(prepared: Prepared[]): Promise<void> {
    if (prepared.length < FLUSH_TOGETHER) {
      for (const { fd } of prepared) await native.fsync(fd, false);
      return;
    }
    for (const id of new Set(prepared.map(({ tier }) => tier))) {
      await native.syncFilesystem(this.ctx.tiers.byId(id)!.path);
    }
  }

  private finish({ ino, fd, tier, changes, head }: Prepared): void {
    const { ctx } = this;
    const inode = this.settleable(ino);
    if (inode === undefined || inode.plainTier !== tier) return;
    if (ctx.files.changeCount(ino) !== changes) return this.schedule(ino);
    native.statFd(fd, this.stat);
    if (recordBacking(ctx, inode, this.stat)) ctx.server.invalidateInode(ino, -1, 0);
    const byContent = classifyByContent(head, ctx.placing.pathIn(inode.parent, inode.name));
    if (byContent !== 'other') inode.fileClass = byContent;
    inode.unsettled = false;
    ctx.namespace.update(inode);
  }

  /** Settles files now and makes the records durable. Leaves out those that a writer has open. */
  async settle(inos: readonly number[]): Promise<void> {
    for (const ino of inos) this.due.delete(ino);
    await this.settleAll(inos);
    await this.ctx.namespace.commit();
  }

  /** The inode, where it is plain data that no one may be writing to. */
  private settleable(ino: number): Inode | undefined {
    const inode = this.ctx.namespace.get(ino);
    if (inode === undefined || !isRegular(inode.mode) || inode.plainTier === 0) return undefined;
    if (!inode.unsettled || inode.nlink === 0) return undefined;
    return (this.ctx.files.peek(ino)?.writers ?? 0) > 0 ? undefined : inode;
  }

  /** Settles what is due at any time; for a clean end. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.running;
    const all = [...this.due.keys()];
    this.due.clear();
    await this.settleAll(all);
  }
}

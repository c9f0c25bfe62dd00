/**
 * Heat of the files that are opened. An inode in memory has it at once, its record a little later: a
 * program that reads many files must not cause a write for each of them.
 */
import { decayed, touched } from '../policy/heat.js';
import type { Inode } from '../namespace/types.js';
import type { Context } from './context.js';

/** How long heat may be in memory only. What a crash loses of it changes no file. */
const RECORD_AFTER_MS = 5000;
/** Records per turn, so that a walk over a million files stalls nobody afterwards. */
const SLICE = 512;
const PAUSE_MS = 20;
/** A file that was open for a shorter time has not cooled measurably. */
const SHORT_MS = 1000;

interface Heat {
  heat: number;
  heatAt: number;
}

export class Heating {
  /** What records do not say yet, by inode number. Inodes themselves may leave memory. */
  private readonly unrecorded = new Map<number, Heat>();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly ctx: Context) {}

  /** It was created, and its record is about to be written. */
  born(inode: Inode): void {
    inode.heat = 1;
    inode.heatAt = Date.now();
  }

  /** A program opened it. */
  opened(inode: Inode): void {
    const time = Date.now();
    const { heat, heatAt } = this.latest(inode);
    this.set(inode, touched(heat, time - heatAt, this.ctx.settings.halfLifeMs), time);
  }

  /** The last handle closed: idle time counts from now, however long it was open. */
  closed(inode: Inode): void {
    const time = Date.now();
    const { heat, heatAt } = this.latest(inode);
    if (time - heatAt < SHORT_MS) return;
    this.set(inode, decayed(heat, time - heatAt, this.ctx.settings.halfLifeMs), time);
  }

  private latest(inode: Inode): Heat {
    const kept = this.unrecorded.get(inode.ino);
    return kept !== undefined && kept.heatAt > inode.heatAt ? kept : inode;
  }

  private set(inode: Inode, heat: number, heatAt: number): void {
    inode.heat = heat;
    inode.heatAt = heatAt;
    this.unrecorded.set(inode.ino, { heat, heatAt });
    this.arm(RECORD_AFTER_MS);
  }

  private arm(delayMs: number): void {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.record(SLICE);
      if (this.unrecorded.size > 0) this.arm(PAUSE_MS);
    }, delayMs);
    this.timer.unref();
  }

  private record(limit: number): void {
    let count = 0;
    for (const [ino, { heat, heatAt }] of this.unrecorded) {
      if (count++ >= limit) return;
      this.unrecorded.delete(ino);
      const inode = this.ctx.namespace.get(ino);
      if (inode === undefined) continue;
      inode.heat = heat;
      inode.heatAt = heatAt;
      this.ctx.namespace.update(inode);
    }
  }

  /** Records everything with the current group. */
  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.record(Infinity);
  }
}

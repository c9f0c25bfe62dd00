/**
 * Spare backing files: empty ones, made ahead on another thread under inode numbers kept for them, so
 * that a program that creates a file does not wait for the tier to make one.
 *
 * Life of a spare: 1. its number is reserved and noted in the namespace; 2. its file is made; 3. `take` gives
 * both to a new inode and the note goes, in one turn. A crash leaves the note: the next start removes the
 * file. Where the note was not durable yet, neither was the number, and what is found under numbers that
 * nobody recorded is removed too.
 */
import { native } from '../native.js';
import { isWritable, type Tier } from '../tiers/types.js';
import type { Context } from './context.js';

const BACKING_MODE = 0o600;
/** Spares of one tier. Each holds a descriptor; making so many takes a thread a few milliseconds. */
const BATCH = 128;
const LOW = 64;
/** A tier that could not make spares is not asked again for so long. */
const RETRY_MS = 10_000;

export interface Spare {
  ino: number;
  fd: number;
}

interface Shelf {
  ready: Spare[];
  refilling: Promise<void> | null;
  notBefore: number;
}

export class Spares {
  private readonly shelves = new Map<number, Shelf>();
  private closed = false;

  constructor(private readonly ctx: Context) {}

  /** A spare of this tier, whose number must be given to an inode in the same turn; or none. */
  take(tier: Tier): Spare | undefined {
    const shelf = this.shelfOf(tier);
    const spare = shelf.ready.pop();
    if (spare !== undefined) this.ctx.namespace.removeSpare(spare.ino);
    if (shelf.ready.length < LOW) this.refill(tier, shelf);
    return spare;
  }

  private shelfOf(tier: Tier): Shelf {
    let shelf = this.shelves.get(tier.id);
    if (shelf === undefined) {
      shelf = { ready: [], refilling: null, notBefore: 0 };
      this.shelves.set(tier.id, shelf);
    }
    return shelf;
  }

  private refill(tier: Tier, shelf: Shelf): void {
    if (shelf.refilling !== null || this.closed || Date.now() < shelf.notBefore) return;
    shelf.refilling = this.make(tier, shelf)
      .catch((error: unknown) => {
        shelf.notBefore = Date.now() + RETRY_MS;
        this.ctx.log.debug({ err: error, tier: tier.name }, 'no spare files were made');
      })
      .finally(() => (shelf.refilling = null));
  }

  private async make(tier: Tier, shelf: Shelf): Promise<void> {
    const { ctx } = this;
    const inos = Array.from({ length: BATCH }, () => ctx.namespace.reserveSpare());
    const paths = inos.map((ino) => ctx.tiers.backingPath(tier, ino));
    const made = await native.createFiles(paths, BACKING_MODE);
    made.forEach((fd, index) => {
      if (fd >= 0) shelf.ready.push({ ino: inos[index], fd });
      else {
        ctx.namespace.removeSpare(inos[index]);
        shelf.notBefore = Date.now() + RETRY_MS;
      }
    });
  }

  /** Removes what an earlier daemon left. Before serving. */
  async recover(): Promise<void> {
    const { ctx } = this;
    const inos = ctx.namespace.spares();
    if (inos.length === 0) return;
    let removed = true;
    for (const tier of ctx.tiers.tiers) {
      if (isWritable(tier)) {
        await native.removeFiles(inos.map((ino) => ctx.tiers.backingPath(tier, ino)));
      } else {
        removed = false; // its note is needed until the tier is back
      }
    }
    if (removed) for (const ino of inos) ctx.namespace.removeSpare(ino);
  }

  /** Removes all spares. Nothing is created any more. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { ready, refilling } of this.shelves.values()) {
      await refilling;
      for (const { fd } of ready) native.close(fd);
    }
    await this.recover();
  }
}

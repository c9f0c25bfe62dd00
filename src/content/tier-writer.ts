/**
 * The pack being written on one tier. All jobs share it and take turns, append by append; syncs run beside
 * appends. A pack that is full is sealed and the next append begins a new one.
 *
 * A failed append (a full disk) adds nothing, and the pack goes on. A failed sync ends its writing: what was
 * appended since the last one counts as lost, and whoever wanted it synced gets the error. What the index
 * points to in such a pack stays readable.
 */
import { existsSync } from 'node:fs';
import { native, type AppendResult, type PackWriter } from '../native.js';
import type { Store } from '../store/types.js';
import type { Tier, TierSet } from '../tiers/types.js';
import { contentError, errnoOf } from './errors.js';
import { PACK_TARGET_BYTES } from './limits.js';
import type { Packs } from './packs.js';
import { createLock } from './turns.js';
import type { ContentLog } from './types.js';
import type { Use } from './uses.js';

export interface PackWriterDeps {
  store: Store;
  tiers: TierSet;
  packs: Packs;
  volumeId: Buffer;
  log: ContentLog;
}

export interface Appended extends AppendResult {
  packId: number;
}

interface OpenPack {
  packId: number;
  writer: PackWriter;
  /** Bytes that are durable. */
  synced: number;
  /** Bytes when parity was last thought of, and when it was last written; calls since then. */
  seen: number;
  protectedBytes: number;
  putOff: number;
}

/** Calls of `keepParity` after which it is written though the pack grows. */
const PUT_OFF = 6;

/** Somebody removed its file: what is appended to it nobody could read. */
const lostError = ({ packId }: OpenPack): Error =>
  contentError('EIO', `the file of pack ${packId}, which is being written, is not there any more`);

export class TierWriter {
  private readonly lock = createLock();
  private readonly syncLock = createLock();
  private open: OpenPack | undefined;
  /** A pack whose record is there and whose file is being made. */
  private making: number | undefined;
  private readonly failures = new Map<number, unknown>();

  constructor(
    private readonly deps: PackWriterDeps,
    private readonly tier: Tier,
  ) {}

  get openPackId(): number | undefined {
    return this.open?.packId;
  }

  isWriting(packId: number): boolean {
    return this.making === packId || this.open?.packId === packId;
  }

  /** The pack is in `use.packs` before the first byte is written. */
  write(use: Use, work: (writer: PackWriter) => Promise<AppendResult>): Promise<Appended> {
    return this.lock(async () => {
      const pack = await this.current();
      use.packs.add(pack.packId);
      const { offsets, stored } = await this.append(pack, work);
      // A sync that failed meanwhile has closed the pack: there is nothing to rely on, or to seal.
      this.checkWritten(pack.packId);
      this.deps.packs.resize(pack.packId, pack.writer.size);
      if (pack.writer.size >= PACK_TARGET_BYTES) await this.trySeal(pack);
      return { packId: pack.packId, offsets, stored };
    });
  }

  /** Everything that was appended to the pack before is durable. @throws what made writing it fail. */
  sync(packId: number): Promise<void> {
    return this.syncLock(async () => {
      this.checkWritten(packId);
      const pack = this.open;
      // One that was closed without a failure was sealed, or nobody relies on it.
      if (pack?.packId !== packId) return;
      const { size } = pack.writer;
      // Often a sync that another job waited for has done it.
      if (pack.synced >= size) return;
      await pack.writer.sync().catch((error: unknown) => this.fail(pack, error));
      pack.synced = size;
    });
  }

  /**
   * Writes the parity of the open pack where nothing was appended since the last call, else now and then: while it grows,
   * that has to be done again.
   */
  keepParity(): Promise<void> {
    return this.lock(async () => {
      const pack = this.open;
      if (!pack) return;
      const { size } = pack.writer;
      const isAtRest = pack.seen === size || ++pack.putOff >= PUT_OFF;
      pack.seen = size;
      if (!isAtRest || pack.protectedBytes === size || this.tier.state !== 'ok') return;
      // Where it fails it is tried again when there is more in the pack.
      pack.protectedBytes = size;
      pack.putOff = 0;
      await pack.writer.writeParity().catch((error: unknown) => {
        this.warn(pack, error, 'the parity of a pack could not be written');
      });
    });
  }

  seal(packId: number): Promise<void> {
    return this.lock(async () => {
      if (this.open?.packId === packId) await this.trySeal(this.open);
    });
  }

  /** Stops writing the pack without sealing it, unless `isUsed` by the time it is its turn. */
  abandon(packId: number, isUsed: () => boolean): Promise<void> {
    return this.lock(async () => {
      if (this.open?.packId === packId && !isUsed()) this.close(this.open);
    });
  }

  private close(pack: OpenPack): void {
    if (this.open === pack) this.open = undefined;
    pack.writer.close();
  }

  private checkWritten(packId: number): void {
    if (this.failures.has(packId)) throw this.failures.get(packId);
  }

  private fail(pack: OpenPack, error: unknown): never {
    this.giveUp(pack, error);
    throw error;
  }

  private giveUp(pack: OpenPack, error: unknown): void {
    this.failures.set(pack.packId, error);
    this.close(pack);
    this.warn(pack, error, 'writing a pack failed');
  }

  private async append(
    pack: OpenPack,
    work: (writer: PackWriter) => Promise<AppendResult>,
  ): Promise<AppendResult> {
    try {
      return await work(pack.writer);
    } catch (error) {
      // A sync beside it may have been of bytes that were taken back. Where one failed, that is the reason.
      await this.syncLock(async () => {
        pack.synced = Math.min(pack.synced, pack.writer.size);
      });
      this.checkWritten(pack.packId);
      if (errnoOf(error) === 'EIO') this.fail(pack, error);
      throw error;
    }
  }

  /** Nothing is lost with a seal that fails for want of space: a later one may succeed. */
  private async trySeal(pack: OpenPack): Promise<void> {
    const { packs } = this.deps;
    try {
      await pack.writer.seal();
    } catch (error) {
      return this.warn(pack, error, 'a pack could not be sealed yet');
    }
    packs.resize(pack.packId, pack.writer.size);
    packs.setState(pack.packId, 'sealed');
    this.close(pack);
  }

  private async current(): Promise<OpenPack> {
    if (this.open && this.deps.packs.readableTier(this.open.packId)) return this.open;
    if (this.open && this.tier.state !== 'missing') this.giveUp(this.open, lostError(this.open));
    if (this.tier.state === 'missing') {
      throw contentError('EIO', this.tier.problem ?? `tier ${this.tier.name} is missing`);
    }
    const packId = this.newRecord();
    this.making = packId;
    try {
      const writer = await this.createFile(packId);
      this.open = { packId, writer, synced: 0, seen: 0, protectedBytes: 0, putOff: 0 };
      return this.open;
    } catch (error) {
      this.deps.packs.forget(packId);
      throw error;
    } finally {
      this.making = undefined;
    }
  }

  /** A number whose file is not there. One that is stays: it is not ours to take, `recover` looks at it. */
  private newRecord(): number {
    const { packs, tiers } = this.deps;
    for (;;) {
      const { packId } = packs.create(this.tier);
      if (!existsSync(tiers.packPath(this.tier, packId))) return packId;
      packs.forget(packId);
    }
  }

  /** The record is durable before the file is there. */
  private async createFile(packId: number): Promise<PackWriter> {
    const { store, tiers, packs, volumeId } = this.deps;
    await store.commit();
    const path = tiers.packPath(this.tier, packId);
    const writer = native.createPackWriter(path, packId, volumeId);
    packs.resize(packId, writer.size);
    return writer;
  }

  private warn({ packId }: OpenPack, error: unknown, text: string): void {
    this.deps.log.warn({ pack: packId, tier: this.tier.name, err: error }, text);
  }
}

/**
 * One export or import: what the walk finds is made at the target, several files at once.
 *
 * An entry is taken, then made, linked, skipped or failed, and then done. A directory gets its attributes when all its
 * entries are done, since each of them changes its times. What exists at the target is never changed.
 */
import { mkdirSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { getSystemErrorName } from 'node:util';
import { CoralError } from '../../config/errors.js';
import { native, type ExportedBatch } from '../../native.js';
import type { Carrier } from './carrier.js';
import {
  entryOf,
  isDirectory,
  isOneInode,
  isRegular,
  isSame,
  pathBuffer,
  type CopyTarget,
  type Entry,
  type Folder,
} from './entry.js';
import { failureOf, inTheWay, stopFor, stoppedError, type Failed, type Stop } from './failures.js';
import { HardLinks } from './hard-links.js';
import { Lane } from './lane.js';
import { walk, type Visitor } from './walk.js';

/** From here on a file is read by itself: the daemon reads ahead of it and decodes in parallel. */
const LARGE_BYTES = 1 << 20;
/** More gain nothing on two CPUs, and less leave them waiting for each other's answers. */
const SMALL_AT_ONCE = 4;
const LARGE_AT_ONCE = 2;
const FOLDER_BATCH = 32;
/** Jobs that wait, so that small files go on while large ones are read. */
const QUEUED = 256;

export class TreeCopy implements Visitor {
  readonly done = { files: 0, directories: 0, bytes: 0, skipped: 0 };
  readonly failed: Failed[] = [];
  /** False where the target could not store an extended attribute. */
  keptAll = true;
  /** Sizes of the files that were there already, in bytes. */
  skippedBytes = 0;
  private end: Stop | undefined;
  private readonly small = new Lane(SMALL_AT_ONCE, QUEUED);
  private readonly large = new Lane(LARGE_AT_ONCE, QUEUED);
  private readonly links = new HardLinks();
  private batch: Entry[] = [];
  private batchBytes = 0;
  private folders: Folder[] = [];

  /** `onWritten` hears of bytes of files that are whole, `onFailure` of each failure at once. */
  constructor(
    private readonly to: CopyTarget,
    private readonly carrier: Carrier,
    private readonly onWritten: (bytes: number) => void,
    private readonly onFailure: (failed: Failed) => void,
  ) {}

  get stopped(): boolean {
    return this.end !== undefined;
  }

  /** @throws CoralError where it was stopped; what is not whole by then leaves nothing behind. */
  async run(roots: readonly Entry[]): Promise<void> {
    await walk(roots, this);
    await this.sendBatch();
    await Promise.all([this.small.idle(), this.large.idle()]);
    await this.sendFolders();
    await this.small.idle();
    if (this.end === undefined) return;
    throw stoppedError(this.to, this.end, this.done.files);
  }

  /** Ends it soon. Only the first reason counts. */
  stop(why: string, remedy: string): void {
    this.carrier.stop();
    this.end ??= { why, remedy };
  }

  async take(entries: Entry[]): Promise<Entry[]> {
    const folder = entries[0]?.folder;
    if (folder !== undefined) folder.open += entries.length;
    const directories = entries.filter(isDirectory);
    const files = entries.filter((entry) => !isDirectory(entry));
    for (const entry of await this.absent(files, folder?.made === true)) {
      if (this.stopped) break;
      const full = this.copyOrLink(entry);
      if (full !== undefined) await full;
    }
    return directories;
  }

  async enter(directory: Entry): Promise<Folder | undefined> {
    const { source, target, dev, mode, uid, gid } = directory;
    const made = await this.makeDirectory(directory);
    this.leave(directory.folder);
    if (made === undefined) return undefined;
    return { source, target, dev, mode, uid, gid, made, open: 1 };
  }

  left(folder: Folder, error?: unknown): void {
    if (error !== undefined) this.fail({ ...this.to.directory, ...folder }, 'read', error);
    this.leave(folder);
  }

  /** True where it is new, false where it was there. */
  private async makeDirectory(directory: Entry): Promise<boolean | undefined> {
    const refused = this.to.refuses(directory);
    if (refused !== undefined) return this.fail(directory, 'read', new Error(refused));
    try {
      mkdirSync(pathBuffer(directory.target), 0o700);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        return this.fail(directory, 'write', error);
      }
    }
    const there = await this.look(directory);
    if (isDirectory(there) && !isOneInode(directory, there)) return false;
    return this.report(inTheWay(directory, this.to));
  }

  private async look({ target }: Entry): Promise<Entry> {
    return entryOf(await native.lookAt([target]), 0, target, target);
  }

  /** Those to be made. The others are done: the same is there, or something that is in the way. */
  private async absent(files: Entry[], isNew: boolean): Promise<Entry[]> {
    const found = files.filter((entry) => this.wasFound(entry));
    if (isNew || found.length === 0) return found;
    const stats = await native.lookAt(found.map(({ target }) => target));
    return found.filter((entry, index) => {
      const there = entryOf(stats, index, entry.target, entry.target);
      return there.errno !== 0 || !this.isThere(entry, there);
    });
  }

  private wasFound(entry: Entry): boolean {
    if (entry.errno === 0) return true;
    const code = getSystemErrorName(-entry.errno);
    this.fail(entry, 'read', Object.assign(new Error(code), { code }));
    this.leave(entry.folder);
    return false;
  }

  private isThere(entry: Entry, there: Entry): true {
    if (isOneInode(entry, there) || !isSame(entry, there)) {
      this.report(inTheWay(entry, this.to));
    } else {
      this.done.skipped += 1;
      this.skippedBytes += isRegular(entry) ? entry.size : 0;
      this.links.found(entry);
    }
    this.leave(entry.folder);
    return true;
  }

  /** A promise only where something is to be waited for: mostly nothing is. */
  private copyOrLink(entry: Entry): Promise<void> | undefined {
    const next = this.links.name(entry);
    if (next === undefined) return undefined;
    if (next !== 'copy') return this.small.add(() => this.link(entry, next.target));
    if (isRegular(entry) && entry.size >= LARGE_BYTES) {
      return this.large.add(() => this.make([entry]));
    }
    const { files, bytes } = this.carrier.batch;
    const isFull = this.batch.length === files || this.batchBytes + entry.size > bytes;
    const sent = isFull ? this.sendBatch() : undefined;
    this.batch.push(entry);
    this.batchBytes += entry.size;
    return sent;
  }

  private async sendBatch(): Promise<void> {
    const entries = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    if (entries.length > 0) await this.small.add(() => this.make(entries));
  }

  private async make(entries: Entry[]): Promise<void> {
    const result = await this.carry(entries);
    if (result === undefined) return;
    const failed = this.failures(entries, result);
    this.done.bytes += result.bytes;
    this.onWritten(result.bytes);
    for (const entry of entries) {
      if (failed.has(entry)) continue;
      this.done.files += 1;
      for (const name of this.links.copied(entry)) await this.link(name, entry.target);
    }
    for (const entry of entries) this.leave(entry.folder);
  }

  /** Undefined where nothing can go on: then all of it ends. */
  private async carry(entries: Entry[]): Promise<ExportedBatch | undefined> {
    try {
      return await this.carrier.carry(entries);
    } catch (error) {
      if (!(error instanceof CoralError)) throw error;
      this.stop(error.message, 'Then');
      return undefined;
    }
  }

  private failures(entries: readonly Entry[], result: ExportedBatch): Set<Entry> {
    this.keptAll &&= result.keptAll;
    const failed = new Set<Entry>();
    for (const { index, step, error } of result.failures) {
      const entry = entries[index];
      failed.add(entry);
      for (const name of [entry, ...this.links.lost(entry)]) {
        this.fail(name, step, error);
        if (name !== entry) this.leave(name.folder);
      }
    }
    return failed;
  }

  private async link(entry: Entry, target: string): Promise<void> {
    if (this.stopped) return;
    try {
      await link(pathBuffer(target), pathBuffer(entry.target));
      this.done.files += 1;
    } catch (error) {
      if (isUnlinkable(error)) return this.make([{ ...entry, nlink: 1 }]);
      this.fail(entry, 'write', error);
    }
    this.leave(entry.folder);
  }

  private leave(folder: Folder | undefined): void {
    if (folder === undefined) return;
    folder.open -= 1;
    if (folder.open > 0) return;
    this.folders.push(folder);
    // Nobody waits for it: it takes no room that is worth a limit, and the lane keeps what it throws.
    if (this.folders.length >= FOLDER_BATCH) this.sendFolders().catch(() => undefined);
  }

  private async sendFolders(): Promise<void> {
    const folders = this.folders;
    this.folders = [];
    if (folders.length > 0 && !this.stopped) await this.small.add(() => this.finish(folders));
  }

  private async finish(folders: readonly Folder[]): Promise<void> {
    const result = await this.carrier.finish(folders);
    const entries = folders.map((folder) => ({ ...this.to.directory, ...folder }));
    const failed = this.failures(entries, result);
    this.done.directories += entries.length - failed.size;
  }

  private fail(entry: Entry, step: 'read' | 'write', error: unknown): undefined {
    if ((error as NodeJS.ErrnoException).code === 'ECANCELED') return;
    const stop = stopFor(entry, step, error);
    if (stop === undefined) this.report(failureOf(entry, step, error));
    else this.stop(stop.why, stop.remedy);
  }

  private report(failed: Failed): undefined {
    this.failed.push(failed);
    this.onFailure(failed);
  }
}

/** Filesystems without hard links, and files that have as many names as they can: another copy does. */
function isUnlinkable(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['EPERM', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(code);
}

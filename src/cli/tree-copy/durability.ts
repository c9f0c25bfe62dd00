/** What was made gets onto the medium: most of it while the rest is copied, all of it at the end. */
import { closeSync, constants, openSync } from 'node:fs';
import { native } from '../../native.js';
import { pathBuffer, type CopyTarget } from './entry.js';

/** Bytes. Less would have the filesystem commit all the time, more leaves the end waiting for the disk. */
const STEP = 32 << 20;

export class Durability {
  /** One for all of it: a descriptor hears of each failed write since it was opened, once. */
  private readonly fd: number;
  private sinceSync = 0;
  private syncing: Promise<void> | undefined;
  private error: unknown;

  constructor(private readonly to: CopyTarget) {
    const { O_RDONLY, O_DIRECTORY } = constants;
    this.fd = openSync(pathBuffer(to.directory.source), O_RDONLY | O_DIRECTORY);
  }

  /** So many bytes of files were written. */
  wrote(bytes: number): void {
    this.sinceSync += bytes;
    if (this.to.flush || this.syncing !== undefined || this.sinceSync < STEP) return;
    this.sinceSync = 0;
    this.syncing = this.syncInBackground();
  }

  /** @throws where anything of it could not be written */
  async end(): Promise<void> {
    await this.syncing;
    if (this.error !== undefined) throw this.error;
    if (this.to.flush) await native.fsync(this.fd, false);
    else await native.syncFilesystemOf(this.fd);
  }

  async close(): Promise<void> {
    await this.syncing;
    closeSync(this.fd);
  }

  private async syncInBackground(): Promise<void> {
    try {
      await native.syncFilesystemOf(this.fd);
    } catch (error) {
      this.error ??= error;
    }
    this.syncing = undefined;
  }
}

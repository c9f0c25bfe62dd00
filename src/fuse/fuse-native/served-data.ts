/**
 * Serves the data of open inodes where no native session does: each read and write goes through the event
 * loop to a native thread, and from there to the backing file or the packs.
 */
import { native, type PlanHandle } from '../../native.js';
import type { DataServer } from '../data-server.js';
import { FileError } from '../errno.js';

/** A chunk of a packed inode failed its checks and a reader got EIO. `chunk` indexes the plan. */
export type OnDamage = (ino: number, chunk: number, packPath: string, reason: string) => void;

export interface Source {
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, data: Buffer): Promise<number>;
  sync(dataOnly: boolean): Promise<void>;
  close(): void;
}

export class ServedData implements DataServer {
  private readonly sources = new Map<number, Source>();

  constructor(private readonly onDamage: OnDamage) {}

  servePlain(ino: number, fd: number): void {
    this.replace(ino, plainSource(native.duplicate(fd)));
  }

  servePacked(ino: number, plan: PlanHandle): void {
    this.replace(ino, packedSource(ino, plan, this.onDamage));
  }

  unserve(ino: number): void {
    this.sources.get(ino)?.close();
    this.sources.delete(ino);
  }

  private replace(ino: number, source: Source): void {
    this.unserve(ino);
    this.sources.set(ino, source);
  }

  /** What serves an inode, if anything does. */
  sourceOf(ino: number): Source | undefined {
    return this.sources.get(ino);
  }

  backingOpen(): number {
    throw new FileError('EOPNOTSUPP', 'libfuse 2 has no passthrough');
  }

  backingClose(): void {
    // None was given.
  }

  /** The kernel keeps no attributes and drops pages at each open: there is nothing to invalidate. */
  invalidateInode(): void {
    // See libfuseOptions in src/daemon/channels.ts.
  }

  /** Asked for by copy_file_range and lseek only, which libfuse 2 does not have. */
  writeBack(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing is pushed. */
  endReadAhead(): Promise<void> {
    return Promise.resolve();
  }

  expireAccessTime(): void {
    // As above.
  }

  invalidateEntry(): void {
    // The kernel keeps no names.
  }

  close(): void {
    for (const ino of [...this.sources.keys()]) this.unserve(ino);
  }
}

/** Owns `fd`, and closes it when what is under way has ended. */
function plainSource(fd: number): Source {
  let users = 1;
  const leave = () => {
    users--;
    if (users === 0) native.close(fd);
  };
  const use = <T>(work: Promise<T>): Promise<T> => {
    users++;
    return work.finally(leave);
  };
  return {
    read: (offset, length) => use(native.read(fd, offset, length)),
    write: (offset, data) => use(native.write(fd, offset, data)),
    sync: (dataOnly) => use(native.fsync(fd, dataOnly)),
    close: leave,
  };
}

function packedSource(ino: number, plan: PlanHandle, onDamage: OnDamage): Source {
  let checked = false;
  /** A failed read does not tell the chunk; the check of the whole file does. Once per opened file. */
  const reportDamage = async (error: unknown) => {
    const { path, message } = error as Error & { path?: string };
    if (checked || path === undefined) return;
    checked = true;
    const { bad } = await native.checkPlan(plan);
    for (const chunk of bad) onDamage(ino, chunk, path, message);
  };
  return {
    read: async (offset, length) => {
      try {
        return await native.readPlan(plan, offset, length);
      } catch (error) {
        reportDamage(error).catch(() => undefined); // closed meanwhile: the next reader finds it again
        throw error;
      }
    },
    write: () => Promise.reject(new FileError('EIO', `inode ${ino} is packed`)),
    sync: () => Promise.resolve(),
    close: () => undefined,
  };
}

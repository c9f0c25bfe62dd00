/** Open handles by the small numbers that libfuse gives back: the binding carries 31 bits. */
import { FileError } from '../errno.js';

export interface OpenHandle {
  ino: number;
  /** What `open` of the filesystem gave. */
  handle: number;
  /** Opened with O_SYNC or O_DSYNC: a write is not answered before it is on the medium. */
  sync: 'none' | 'data' | 'all';
}

export class Handles {
  private readonly open = new Map<number, OpenHandle>();
  private readonly free: number[] = [];

  /** @returns a number from 1 on: the binding takes 0 for none. */
  add(handle: OpenHandle): number {
    const number = this.free.pop() ?? this.open.size + 1;
    this.open.set(number, handle);
    return number;
  }

  /** @throws EBADF */
  get(number: number): OpenHandle {
    const handle = this.open.get(number);
    if (handle === undefined) throw new FileError('EBADF');
    return handle;
  }

  remove(number: number): OpenHandle {
    const handle = this.get(number);
    this.open.delete(number);
    this.free.push(number);
    return handle;
  }
}

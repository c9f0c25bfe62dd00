/**
 * Mappings of files. Their bytes are read and written by way of a pipe: the kernel touches the page as the
 * program would, but answers EFAULT where the program would get SIGBUS or SIGSEGV.
 */
import { call } from './calls.js';
import { close, pipe } from './files.js';

export const PROT = { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 } as const;
export const MAP = { SHARED: 1, PRIVATE: 2 } as const;
export const MS = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const;
const MREMAP_MAYMOVE = 1;
/** Less than a pipe holds. */
const STEP = 32_768;

export interface Mapping {
  readonly length: number;
  /** @throws EFAULT where a page is not there or may not be touched so. */
  read(offset: number, length: number): Buffer;
  write(offset: number, content: string | Buffer): void;
  sync(flags?: number): void;
  advise(advice: number): void;
  remap(length: number): void;
  unmap(): void;
}

export function map(
  fd: number,
  length: number,
  protection: number = PROT.READ | PROT.WRITE,
  flags: number = MAP.SHARED,
  offset = 0,
): Mapping {
  let address = call('mmap', null, length, protection, flags, fd, offset);
  let size = length;
  return {
    get length() {
      return size;
    },
    read: (at, count) =>
      through(count, (done, n, ends) => {
        const bytes = Buffer.alloc(n);
        call('write', ends[1], address + at + done, n);
        call('read', ends[0], bytes, n);
        return bytes;
      }),
    write(at, content) {
      const bytes = Buffer.from(content as Buffer);
      through(bytes.length, (done, n, ends) => {
        call('write', ends[1], bytes.subarray(done, done + n), n);
        call('read', ends[0], address + at + done, n);
        return bytes;
      });
    },
    sync: (how = MS.SYNC) => void call('msync', address, size, how),
    advise: (advice) => void call('madvise', address, size, advice),
    remap(next) {
      address = call('mremap', address, size, next, MREMAP_MAYMOVE);
      size = next;
    },
    unmap: () => void call('munmap', address, size),
  };
}

type Step = (done: number, length: number, ends: [number, number]) => Buffer;

function through(length: number, step: Step): Buffer {
  const ends = pipe();
  const parts: Buffer[] = [];
  try {
    for (let done = 0; done < length; done += STEP) {
      parts.push(step(done, Math.min(STEP, length - done), ends));
    }
  } finally {
    ends.forEach(close);
  }
  return Buffer.concat(parts);
}

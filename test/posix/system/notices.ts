/** inotify. */
import { bytesOf, call, type Path } from './calls.js';
import { O, read } from './files.js';

export const IN = {
  ACCESS: 0x1,
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  CLOSE_NOWRITE: 0x10,
  OPEN: 0x20,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  IGNORED: 0x8000,
  ISDIR: 0x4000_0000,
} as const;

export interface Notice {
  mask: number;
  cookie: number;
  name: string;
}

/** What happened at `path` while `work` ran; synchronous. */
export function noticesOf(path: Path, mask: number, work: () => void): Notice[] {
  const fd = call('inotify_init1', O.NONBLOCK | O.CLOEXEC);
  try {
    call('inotify_add_watch', fd, bytesOf(path), mask);
    work();
    return readNotices(fd);
  } finally {
    call('close', fd);
  }
}

function readNotices(fd: number): Notice[] {
  const notices: Notice[] = [];
  for (;;) {
    let b: Buffer;
    try {
      b = read(fd, 65_536);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return notices;
      throw error;
    }
    for (let at = 0; at < b.length; at += 16 + b.readUInt32LE(at + 12)) {
      const name = b.toString('latin1', at + 16, at + 16 + b.readUInt32LE(at + 12));
      notices.push({
        mask: b.readUInt32LE(at + 4),
        cookie: b.readUInt32LE(at + 8),
        name: name.replace(/\0+$/, ''),
      });
    }
  }
}

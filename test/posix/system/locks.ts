/** flock, and the record locks of fcntl: those of the process (POSIX) and of the open file (OFD). */
import { call } from './calls.js';

export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
export const flock = (fd: number, operation: number): void => void call('flock', fd, operation);

export type LockType = 'read' | 'write' | 'unlock';
const TYPES: readonly LockType[] = ['read', 'write', 'unlock'];

/** `length` 0 means up to the end, however far it moves. */
export interface LockRange {
  type: LockType;
  start: number;
  length: number;
  pid: number;
}

const Command = { GETLK: 5, SETLK: 6, OFD_GETLK: 36, OFD_SETLK: 37 } as const;
const STRUCT_BYTES = 32;

function structFlock(type: LockType, start: number, length: number): Buffer {
  const lock = Buffer.alloc(STRUCT_BYTES);
  lock.writeInt16LE(TYPES.indexOf(type), 0);
  lock.writeBigInt64LE(BigInt(start), 8);
  lock.writeBigInt64LE(BigInt(length), 16);
  return lock;
}

/** Doesn't wait. @throws EAGAIN where another holds it. */
export const setLock = (fd: number, type: LockType, start = 0, length = 0): void =>
  void call('fcntl', fd, Command.SETLK, structFlock(type, start, length));
export const setOpenFileLock = (fd: number, type: LockType, start = 0, length = 0): void =>
  void call('fcntl', fd, Command.OFD_SETLK, structFlock(type, start, length));

/** The lock that is in the way, or null. */
export const getLock = (fd: number, type: LockType, start = 0, length = 0): LockRange | null =>
  ask(fd, Command.GETLK, type, start, length);
export const getOpenFileLock = (
  fd: number,
  type: LockType,
  start = 0,
  length = 0,
): LockRange | null => ask(fd, Command.OFD_GETLK, type, start, length);

function ask(fd: number, command: number, wanted: LockType, start: number, length: number) {
  const lock = structFlock(wanted, start, length);
  call('fcntl', fd, command, lock);
  const type = TYPES[lock.readInt16LE(0)];
  if (type === 'unlock') return null;
  return {
    type,
    start: Number(lock.readBigInt64LE(8)),
    length: Number(lock.readBigInt64LE(16)),
    pid: lock.readInt32LE(24),
  };
}

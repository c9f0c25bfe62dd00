/** Extended attributes: through a symbolic link, of the link itself (`l`), by descriptor (`f`). */
import { bytesOf, call, type Path } from './calls.js';

export const XATTR = { CREATE: 1, REPLACE: 2 } as const;
const ROOM = 65_536;

type Value = string | Buffer;
type Which = 'l' | '';

function set(which: Which, path: Path, name: Path, value: Value, flags: number): void {
  const bytes = Buffer.from(value as Buffer);
  call(`${which}setxattr`, bytesOf(path), bytesOf(name), bytes, bytes.length, flags);
}

function get(which: Which, path: Path, name: Path, room: number): Buffer {
  const value = Buffer.alloc(Math.max(room, 1));
  const length = call(`${which}getxattr`, bytesOf(path), bytesOf(name), value, room);
  return value.subarray(0, room === 0 ? 0 : length);
}

function list(which: Which, path: Path, room: number): string[] {
  const names = Buffer.alloc(Math.max(room, 1));
  const length = call(`${which}listxattr`, bytesOf(path), names, room);
  return names.toString('latin1', 0, length).split('\0').slice(0, -1).sort();
}

export const setxattr = (path: Path, name: Path, value: Value, flags = 0): void =>
  set('', path, name, value, flags);
export const lsetxattr = (path: Path, name: Path, value: Value, flags = 0): void =>
  set('l', path, name, value, flags);
export function fsetxattr(fd: number, name: Path, value: Value, flags = 0): void {
  const bytes = Buffer.from(value as Buffer);
  call('fsetxattr', fd, bytesOf(name), bytes, bytes.length, flags);
}
export const getxattr = (path: Path, name: Path, room = ROOM): Buffer => get('', path, name, room);
export const lgetxattr = (path: Path, name: Path, room = ROOM): Buffer =>
  get('l', path, name, room);
export function fgetxattr(fd: number, name: Path): Buffer {
  const value = Buffer.alloc(ROOM);
  return value.subarray(0, call('fgetxattr', fd, bytesOf(name), value, ROOM));
}
/** The length alone, as a call without room gives it. */
export const xattrLength = (path: Path, name: Path): number =>
  call('getxattr', bytesOf(path), bytesOf(name), null, 0);
export const listxattr = (path: Path, room = ROOM): string[] => list('', path, room);
export const llistxattr = (path: Path, room = ROOM): string[] => list('l', path, room);
export const listLength = (path: Path): number => call('listxattr', bytesOf(path), null, 0);
export const removexattr = (path: Path, name: Path): void =>
  void call('removexattr', bytesOf(path), bytesOf(name));
export const lremovexattr = (path: Path, name: Path): void =>
  void call('lremovexattr', bytesOf(path), bytesOf(name));
export const fremovexattr = (fd: number, name: Path): void =>
  void call('fremovexattr', fd, bytesOf(name));

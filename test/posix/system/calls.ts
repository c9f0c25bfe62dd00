/** Raw system calls: failing ones throw an Error whose `code` is the errno's name. */
import { createRequire } from 'node:module';

export type Argument = number | bigint | Buffer | null;

interface Addon {
  numbers: Record<string, number>;
  systemCall(number: number, ...args: Argument[]): number;
}

// From dist/test/posix/system/ to the folder with the sources.
const addon = createRequire(import.meta.url)(
  '../../../../test/posix/native/build/Release/system_calls.node',
) as Addon;

/** Calls by name, as in system_calls.cc. Numbers above 2^53 go in as bigint and don't come out. */
export function call(name: string, ...args: Argument[]): number {
  const number = addon.numbers[name];
  if (number === undefined) throw new TypeError(`system_calls.cc has no ${name}`);
  return addon.systemCall(number, ...args);
}

/** A path: text as UTF-8, or bytes of any encoding. */
export type Path = string | Buffer;

/** With the NUL that ends it. */
export function bytesOf(path: Path): Buffer {
  return Buffer.concat([Buffer.from(path as Buffer), Buffer.from([0])]);
}

/** `directory/name` where either may be bytes. */
export function below(directory: Path, ...names: Path[]): Buffer {
  const parts = names.flatMap((name) => [Buffer.from('/'), Buffer.from(name as Buffer)]);
  return Buffer.concat([Buffer.from(directory as Buffer), ...parts]);
}

export const AT_FDCWD = -100;
export const AT = {
  SYMLINK_NOFOLLOW: 0x100,
  EACCESS: 0x200,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
} as const;

/** Structures are little endian on every machine that Node's Linux builds run on but s390x. */
export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, index * 4));
  return bytes;
}

export function i64(...values: (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigInt64LE(BigInt(value), index * 8));
  return bytes;
}

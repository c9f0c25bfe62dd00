/**
 * The control protocol: JSON objects, one per line, over `<volume>/control.sock`.
 *
 * A client sends a request and reads messages with its id: any number with `progress`, then exactly one
 * with `result` or `error`. Paths in arguments are below the mount ('/a/b'), bytes in latin1.
 */
import { closeSync, openSync } from 'node:fs';
import type { ExitCode } from '../config/errors.js';

export interface Request {
  id: number;
  verb: string;
  args: Record<string, unknown>;
}

export type Message =
  | { id: number; progress: unknown }
  | { id: number; result: unknown }
  | { id: number; error: { message: string; exitCode: ExitCode; stack?: string } };

export const CONTROL_SOCKET = 'control.sock';

/** What one request to import names at most, in files and their bytes: as much as moves of small files go together. */
export const IMPORT_BATCH = { files: 256, bytes: 4 << 20 };

/**
 * A request or message longer than this is no request of ours. Bytes: an import names each file by two paths, of up to 4096
 * bytes, and JSON takes six for a control character.
 */
export const MAX_LINE = 16 * 1024 * 1024;

/** sun_path holds 108 bytes with the terminating zero. */
const MAX_SOCKET_PATH = 107;

/** Cuts a byte stream into lines. `onLine` gets each without its newline. @throws RangeError */
export function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let length = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString();
      [parts, length, start] = [[], 0, end + 1];
      onLine(line);
    }
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MAX_LINE) throw new RangeError('a line of the control protocol is too long');
  };
}

/** A name of the socket that fits into a socket address, valid until `release`. */
export function socketAddress(volume: string): { path: string; release: () => void } {
  const path = `${volume}/${CONTROL_SOCKET}`;
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return { path, release: () => undefined };
  const fd = openSync(volume, 'r');
  return { path: `/proc/self/fd/${fd}/${CONTROL_SOCKET}`, release: () => closeSync(fd) };
}

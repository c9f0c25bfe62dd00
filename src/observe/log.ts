/**
 * Logs: one JSON object per line by pino into `<volume>/log/daemon.log`, or readable lines on standard
 * error when the daemon stays in the foreground. Standard output belongs to results.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino, stdSerializers, type Logger } from 'pino';
import { printable } from '../config/printable.js';
import type { LogLevel } from '../config/types.js';
import { setAside } from './set-aside.js';

/** What the parts of the daemon write to: facts first, then one sentence. */
export type Log = Pick<Logger, 'error' | 'warn' | 'info' | 'debug' | 'trace'>;

/** What is kept while the disk takes nothing more. */
const MAX_WAITING_BYTES = 1 << 20;

/**
 * Appends to `path`; written synchronously, so that the last words before a crash are there. On a full disk lines wait for
 * the next one that finds room.
 */
export function openFileLog(path: string, level: LogLevel): Log {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  setAside(path);
  const destination = pino.destination({
    dest: path,
    sync: true,
    mode: 0o600,
    maxLength: MAX_WAITING_BYTES,
  });
  // Nobody must lose files because nothing can be said about them.
  destination.on('error', () => undefined);
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** What is logged from now on. `log` is one of those that are opened here. */
export function setLevel(log: Log, level: LogLevel): void {
  (log as Logger).level = level;
}

/** Single readable lines: `12:03:44 info  mounted mountpoint=/coral-reef`. */
export function openForegroundLog(level: LogLevel, write: (text: string) => void): Log {
  const destination = { write: (line: string) => write(`${readable(line)}\n`) };
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** An error as a log field, with its stack. */
export function errorField(error: unknown): { err: unknown } {
  return { err: error instanceof Error ? stdSerializers.err(error) : String(error) };
}

function readable(entry: string): string {
  const { level, time, msg, err, ...facts } = JSON.parse(entry) as Record<string, unknown>;
  const name = (pino.levels.labels[Number(level)] ?? String(level)).padEnd(5);
  const clock = String(time).slice(11, 19);
  const words = Object.entries(facts).map(([key, value]) => `${key}=${factText(value)}`);
  const failure = err === undefined ? [] : [`(${errorText(err)})`];
  const line = [clock, name, String(msg ?? ''), ...words, ...failure];
  return printable(line.join(' ').trimEnd());
}

function factText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[\s"]/.test(text) && typeof value === 'string' ? JSON.stringify(text) : text;
}

function errorText(err: unknown): string {
  const fields = err as { message?: unknown };
  return typeof err === 'object' && err !== null ? String(fields.message) : String(err);
}

/** What goes where: results on standard output, everything said to a person on standard error. */
import { writeSync } from 'node:fs';
import { printable } from '../config/printable.js';

export interface Output {
  readonly json: boolean;
  /** The result: the document with `--json`, else the lines that `lines` makes of it. */
  result<Document>(document: Document, lines: (document: Document) => readonly string[]): void;
  /** A message on standard error, one line. */
  say(message: string): void;
  /** A progress bar on standard error where that is a terminal; `share` is 0 to 1. */
  progress(share: number, label: string): void;
  endProgress(): void;
}

export function createOutput(json: boolean): Output {
  let drawn = false;
  const endProgress = () => {
    if (drawn) writeAll(2, '\r\x1b[K');
    drawn = false;
  };
  return {
    json,
    result(document, lines) {
      const text = json ? [JSON.stringify(document)] : lines(document).map(printable);
      if (text.length > 0) writeAll(1, `${text.join('\n')}\n`);
    },
    say(message) {
      endProgress();
      writeAll(2, `${printable(message)}\n`);
    },
    progress(share, label) {
      if (!process.stderr.isTTY) return;
      drawn = true;
      writeAll(2, `\r\x1b[K${progressBar(share, label, process.stderr.columns || 80)}`);
    },
    endProgress,
  };
}

/** `[#####.....]  50% label`, no wider than `columns`. */
export function progressBar(share: number, label: string, columns: number): string {
  const width = Math.max(10, Math.min(40, columns - 30));
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  const bar = '#'.repeat(full) + '.'.repeat(width - full);
  const percent = `${Math.floor(Math.min(1, Math.max(0, share)) * 100)}%`.padStart(4);
  return `[${bar}] ${percent} ${label}`.slice(0, columns - 1);
}

export type Cell = string | number | null | undefined;

/** Columns two blanks apart; numbers and sizes (`right`) stand at the right. */
export function table(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  right: readonly string[] = [],
): string[] {
  const text = [header, ...rows.map((row) => row.map(cellText))];
  const widths = header.map((_, column) => Math.max(...text.map((row) => width(row[column]))));
  return text.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column] - width(cell));
        return right.includes(header[column]) ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
}

function cellText(cell: Cell): string {
  return cell === null || cell === undefined || cell === '' ? '-' : printable(String(cell));
}

/** Characters, not UTF-16 units; wide ones count one. */
function width(text: string): number {
  return [...text].length;
}

/** Synchronous, so that nothing is lost when the process exits; a reader that left is no error. */
function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else return;
    }
  }
}

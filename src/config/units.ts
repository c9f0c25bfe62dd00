/** Sizes, durations, rates and percents as people write them, and back. Bytes and milliseconds inside. */

const KIBI = 1024;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  ...powers(['k', 'm', 'g', 't', 'p'], KIBI),
  ...powers(['kib', 'mib', 'gib', 'tib', 'pib'], KIBI),
  ...powers(['kb', 'mb', 'gb', 'tb', 'pb'], 1000),
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

export const SIZE_ALLOWED =
  'bytes, or a number with K, M, G, T or P (powers of 1024; KB, MB, GB ... are powers of 1000)';
export const DURATION_ALLOWED = 'a number with ms, s, m, h, d or w, such as 30s, 1h30m or 7d';
export const RATE_ALLOWED = 'a size per second such as 200M or 1.5GB/s, 0 to pause, or unlimited';
export const PERCENT_ALLOWED = 'a whole percent from 1 to 99, such as 85 or 85%';

/** Bytes, or undefined where `text` is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = own(SIZE_UNITS, match[2].toLowerCase());
  if (unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds, or undefined. A number without a unit counts seconds, as mount options do. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return safe(Number(trimmed) * 1000);
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, number, , unit] of trimmed.matchAll(/(\d+(\.\d+)?)(ms|[smhdw])/g)) {
    total += Number(number) * DURATION_UNITS[unit];
  }
  return safe(total);
}

/** Bytes per second; Infinity for no limit; undefined where `text` is not a rate. */
export function parseRate(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'unlimited') return Infinity;
  return parseSize(trimmed.replace(/(\/s|ps)$/, ''));
}

/** 1 to 99, or undefined. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d{1,2})\s*%?$/.exec(text.trim());
  const value = match === null ? 0 : Number(match[1]);
  return value >= 1 ? value : undefined;
}

/** `1.5 GiB`: three significant digits at most, for tables. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= KIBI;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `1GiB`, `1500000B`: the largest unit that divides it, for what is to be read by `parseSize` again. */
export function formatExactSize(bytes: number): string {
  for (const unit of ['PiB', 'TiB', 'GiB', 'MiB', 'KiB']) {
    const size = SIZE_UNITS[unit.toLowerCase()];
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** `2h`, `90s`, `7d`: the largest unit that divides it. */
export function formatDuration(ms: number): string {
  for (const unit of ['w', 'd', 'h', 'm', 's']) {
    if (ms >= DURATION_UNITS[unit] && ms % DURATION_UNITS[unit] === 0) {
      return `${ms / DURATION_UNITS[unit]}${unit}`;
    }
  }
  return `${ms}ms`;
}

function powers(names: readonly string[], base: number): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, base ** (index + 1)]));
}

function own(table: Readonly<Record<string, number>>, key: string): number | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function safe(ms: number): number | undefined {
  const rounded = Math.round(ms);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Options that most benchmarks have. */

export const COMMON_OPTIONS = {
  repeats: { type: 'string', default: '3' },
  work: { type: 'string', default: '/var/tmp' },
  only: { type: 'string', default: '' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** What they are once read. */
export interface CommonOptions {
  repeats: number;
  /** A folder in which everything is made. */
  work: string;
  /** Part of a name. */
  only: string;
  json: boolean;
}

/** Bytes of an option in GiB. */
export function bytesOf(gibibytes: string): number {
  return Math.round(Number(gibibytes) * 2 ** 30);
}

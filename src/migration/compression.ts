/** How what is packed for a tier is compressed; with which of zstd's means each chunk is, what it holds decides. */
import type { Encoding } from '../native.js';
import type { Medium, Tier } from '../tiers/types.js';
import type { MigrationSettings } from './deps.js';

/** The slower the medium, the more a byte saved is worth; all decode at the same speed. */
const AUTO_LEVEL: Readonly<Record<Medium, number>> = { nvme: 1, ssd: 3, hdd: 6 };

/**
 * Bytes of chunks that are compressed one after the other: half of that is decoded for a few bytes, at some 1 GB/s, where
 * nothing else of it was read lately.
 */
const CHAIN_BYTES: Readonly<Record<Medium, number>> = {
  nvme: 64 * 1024,
  ssd: 128 * 1024,
  hdd: 512 * 1024,
};

/** Smaller files are read whole, or soon are in the page cache. Of others programs may want bytes here and there. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/** @param longest length in bytes of the longest file that is packed */
export function encodingFor(
  tier: Tier,
  settings: Pick<MigrationSettings, 'compress' | 'tierCompress'>,
  longest: number,
): Encoding {
  const chainBytes = longest < WHOLE_BYTES ? CHAIN_BYTES[tier.medium] : 0;
  return { level: levelFor(tier, settings), chainBytes };
}

function levelFor(
  tier: Tier,
  { compress, tierCompress }: Pick<MigrationSettings, 'compress' | 'tierCompress'>,
): number {
  const codec = tierCompress[tier.name] ?? compress;
  switch (codec.kind) {
    case 'off':
      return 0;
    case 'zstd':
      return codec.level;
    case 'auto':
      return AUTO_LEVEL[tier.medium];
  }
}

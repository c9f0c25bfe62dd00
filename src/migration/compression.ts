/** Which zstd level packs for a tier get; how each chunk is compressed is decided by what it holds. */
import type { Medium, Tier } from '../tiers/types.js';
import type { MigrationSettings } from './deps.js';

/** The slower the medium, the more a byte saved is worth; all decode at the same speed. */
const AUTO_LEVEL: Readonly<Record<Medium, number>> = { nvme: 1, ssd: 3, hdd: 6 };

/** 0 for none. */
export function levelFor(
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

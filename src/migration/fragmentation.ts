/** How much jumping a packed file may need on its tier; what it costs to stay below is in `status`. */
import { SEEK_BYTES } from '../content/limits.js';
import type { Tier } from '../tiers/types.js';
import type { MigrationSettings } from './deps.js';

/** Cost of jumps for each byte that is read, as the content store wants it; Infinity for no bound. */
export function jumpRateFor(
  tier: Tier,
  { fragmentation }: Pick<MigrationSettings, 'fragmentation'>,
): number {
  if (fragmentation === 'off' || SEEK_BYTES[tier.medium] === 0) return Infinity;
  return fragmentation / (100 - fragmentation);
}

/** How a tier is written and shown on the command line. */
import { resolve } from 'node:path';
import { usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { TIER_NAME_ALLOWED, isTierName } from '../config/tier-name.js';
import { SIZE_ALLOWED, formatSize, parseSize } from '../config/units.js';
import { MEDIA, type Medium } from '../tiers/types.js';
import type { NewTier } from '../tiers/volume.js';

export const TIER_FORM = 'NAME=DIR[,medium=nvme|ssd|hdd][,capacity=SIZE]';
const WORDS = ['medium', 'capacity'];

/** `said` is how it was asked for, for messages. @throws usage errors */
export function parseTier(text: string, said = `--tier ${text}`): NewTier {
  const [place, ...words] = text.split(/(?<!\\),/).map((word) => word.replace(/\\,/g, ','));
  const equals = place.indexOf('=');
  const [name, path] = [place.slice(0, Math.max(0, equals)), place.slice(equals + 1)];
  if (equals < 1 || path === '') throw usageError(`${said}: expected ${TIER_FORM}`);
  if (!isTierName(name)) {
    throw usageError(`${said}: "${name}" can't be a tier's name. Allowed: ${TIER_NAME_ALLOWED}`);
  }
  const tier: NewTier = { name, path: resolve(path) };
  for (const word of words) Object.assign(tier, tierWord(said, word));
  return tier;
}

function tierWord(said: string, word: string): Partial<NewTier> {
  const [, key, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
  if (key === 'medium') return { medium: parseMedium(value, said) };
  if (key === 'capacity') return { capacity: parseCapacity(value, said) };
  const hint = didYouMean(key ?? word, WORDS) || '.';
  throw usageError(`${said}: unknown word "${word}"${hint} Expected ${TIER_FORM}`);
}

/** @throws usage error */
export function parseMedium(value: string, said: string): Medium {
  const medium = MEDIA.find((one): one is Medium => one === value);
  if (medium !== undefined) return medium;
  throw usageError(`${said}: medium "${value}" is not allowed. Allowed: ${MEDIA.join(', ')}`);
}

/** Bytes. @throws usage error */
export function parseCapacity(value: string, said: string, more = ''): number {
  const capacity = parseSize(value);
  if (capacity !== undefined && capacity > 0) return capacity;
  throw usageError(`${said}: capacity "${value}" is not allowed. Allowed: ${SIZE_ALLOWED}${more}`);
}

/** As configured: bytes, or null for the whole filesystem. */
export function capacityText(capacity: number | null): string {
  return capacity === null ? 'all' : formatSize(capacity);
}

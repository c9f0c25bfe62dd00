/** `init`: make a volume of directories on different media. */
import { resolve } from 'node:path';
import { ExitCode, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { TIER_NAME_ALLOWED, isTierName } from '../config/tier-name.js';
import { SIZE_ALLOWED, formatSize, parseSize } from '../config/units.js';
import { MEDIA, type Medium, type VolumeConfig } from '../tiers/types.js';
import { createVolume, type NewTier } from '../tiers/volume.js';
import { table } from './output.js';
import type { Verb } from './verb.js';

export const TIER_FORM = 'NAME=DIR[,medium=nvme|ssd|hdd][,capacity=SIZE]';
const WORDS = ['medium', 'capacity'];

export const initVerb: Verb = {
  name: 'init',
  usage: `VOLUME --tier ${TIER_FORM} [--tier ...]`,
  summary: 'make a volume; tiers fastest first',
  details: [
    'VOLUME is a directory that will hold the namespace. Each DIR must exist, on its own medium;',
    'a comma in it is written \\,. Without capacity a tier may use its whole filesystem.',
  ],
  flags: {
    tier: {
      type: 'string',
      multiple: true,
      value: TIER_FORM,
      help: 'one tier; repeat, fastest first',
    },
  },
  arity: [1, 1],
  async run({ positionals, texts, output }) {
    const directory = resolve(positionals[0]);
    const tiers = texts('tier').map((text) => parseTier(text));
    const volume = await createVolume(directory, tiers);
    output.result({ volume: directory, ...volume }, lines);
    return ExitCode.done;
  },
};

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

function lines(volume: VolumeConfig & { volume: string }): string[] {
  const rows = volume.tiers.map((tier) => [
    tier.name,
    tier.medium,
    capacityText(tier.capacity),
    tier.path,
  ]);
  return [
    `Made the volume ${volume.volume}`,
    ...table(['TIER', 'MEDIUM', 'CAPACITY', 'PATH'], rows, ['CAPACITY']),
    `Mount it: coral-reef mount ${volume.volume} MOUNTPOINT`,
  ];
}

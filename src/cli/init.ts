/** `init`: make a volume of directories on different media. */
import { resolve } from 'node:path';
import { ExitCode } from '../config/errors.js';
import type { VolumeConfig } from '../tiers/types.js';
import { createVolume } from '../tiers/volume.js';
import { table } from './output.js';
import { capacityText, parseTier, TIER_FORM } from './tier-words.js';
import type { Verb } from './verb.js';

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

/** Settings from `CORAL_REEF_*`: the option's name in capitals, with `_` for `-` and `.`. */
import { findOption, type OptionWord } from './option-words.js';
import { OPTIONS, type OptionSpec } from './option-table.js';
import { didYouMean } from './suggest.js';

const PREFIX = 'CORAL_REEF_';
/** Variables that are no options of a mount: read by the command line and by `npm start`. */
const OTHERS = new Set(['MOUNTPOINT', 'VOLUME', 'DEBUG']);

export interface EnvironmentWords {
  words: OptionWord[];
  /** Variables that look like ours and mean nothing; other programs may own them, so no error. */
  warnings: string[];
}

export function environmentWords(
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentWords {
  const result: EnvironmentWords = { words: [], warnings: [] };
  for (const [variable, value] of Object.entries(environment).sort()) {
    if (!variable.startsWith(PREFIX) || value === undefined || value === '') continue;
    const rest = variable.slice(PREFIX.length);
    if (OTHERS.has(rest) || /^(TEST|BENCH)_/.test(rest)) continue;
    const name = optionName(rest);
    if (name === undefined) result.warnings.push(unknownVariable(variable));
    else result.words.push({ name, value, origin: `${variable}=${value}` });
  }
  return result;
}

/** `COLD_AFTER` to `cold-after`, `TIER_NVME` to `tier.nvme`, `NVME_HIGH` to `nvme.high`. */
function optionName(rest: string): string | undefined {
  const name = rest.toLowerCase().replaceAll('_', '-');
  if (findOption(name) !== undefined) return name;
  const tier = /^tier-(.+)$/.exec(name);
  if (tier !== null) return `tier.${tier[1]}`;
  const watermark = /^(.+)-(high|low)$/.exec(name);
  return watermark === null ? undefined : `${watermark[1]}.${watermark[2]}`;
}

function unknownVariable(variable: string): string {
  const known = Object.values(OPTIONS)
    .filter((spec: OptionSpec) => spec.tierName === 'none')
    .map((spec) => PREFIX + spec.name.toUpperCase().replaceAll('-', '_'));
  return `${variable} is no setting of Coral Reef and is ignored${didYouMean(variable, known)}`;
}

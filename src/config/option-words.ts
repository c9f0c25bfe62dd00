/** From the words of a source (`-o`, environment, file) to values by key, refusing what is unknown. */
import { usageError } from './errors.js';
import { STANDARD_NAMES } from './mount-options.js';
import {
  OPTIONS,
  writtenName,
  type OptionKey,
  type OptionSpec,
  type OptionValues,
} from './option-table.js';
import { didYouMean } from './suggest.js';
import { TIER_NAME_ALLOWED, isTierName } from './tier-name.js';

/** One option as written, and where: `-o high=9x`, `CORAL_REEF_HIGH=9x`, `reef.yaml:3: high: 9x`. */
export interface OptionWord {
  name: string;
  value: string;
  origin: string;
}

interface Target {
  key: OptionKey;
  tier: string | null;
}

/** A word and what it sets; `value` is without a tier's name. */
interface Aimed extends Target {
  value: string;
  word: OptionWord;
}

const SPECS = Object.entries(OPTIONS) as [OptionKey, OptionSpec][];

/** Reads all words of one source. A later word wins over an earlier one. @throws usage errors */
export function readWords(words: readonly OptionWord[]): OptionValues {
  const latest = new Map<string, Aimed>();
  for (const word of words) {
    const aimed = aim(word);
    latest.set(`${aimed.key} ${aimed.tier ?? ''}`, aimed);
  }
  const values: Partial<Record<OptionKey, unknown>> = {};
  for (const aimed of latest.values()) {
    const { key, tier } = aimed;
    const value = valueOf(aimed);
    values[key] = tier === null ? value : { ...(values[key] as object), [tier]: value };
  }
  return values as OptionValues;
}

/** Which row of the table a word means, or undefined. */
export function findOption(name: string): Target | undefined {
  for (const [key, spec] of SPECS) {
    const tier = tierIn(spec, name);
    if (tier !== undefined) return { key, tier };
  }
  return undefined;
}

/** The tier's name in `name` (null where the option has none), or undefined where it does not fit. */
function tierIn(spec: OptionSpec, name: string): string | null | undefined {
  if (spec.tierName === 'none') return name === spec.name ? null : undefined;
  const dot = name.indexOf('.');
  if (dot < 1 || spec.tierName === 'value') return undefined;
  const [first, second] = [name.slice(0, dot), name.slice(dot + 1)];
  if (spec.tierName === 'suffix') return first === spec.name ? second : undefined;
  return second === spec.name ? first : undefined;
}

function aim(word: OptionWord): Aimed {
  const target = findOption(word.name);
  if (target === undefined) throw unknownOption(word);
  if (target.tier !== null && !isTierName(target.tier)) {
    throw usageError(
      `${word.origin}: "${target.tier}" can't be a tier's name. Allowed: ${TIER_NAME_ALLOWED}`,
    );
  }
  const named = /^([A-Za-z][\w-]*):(.+)$/.exec(word.value);
  if (target.key === 'compress' && named !== null && isTierName(named[1])) {
    return { key: 'tierCompress', tier: named[1], value: named[2], word };
  }
  return { ...target, value: word.value, word };
}

function unknownOption(word: OptionWord): Error {
  if (STANDARD_NAMES.includes(word.name)) {
    return usageError(
      `${word.origin}: "${word.name}" is an option of mount(8): give it as -o ${word.name}, or in fstab`,
    );
  }
  const [, first, second] = /^([^.]*)\.(.*)$/.exec(word.name) ?? [];
  const known = SPECS.flatMap(([, spec]) => {
    const tier = spec.tierName === 'suffix' ? second : first;
    return spec.tierName === 'none' || tier ? [writtenName(spec, tier)] : [];
  });
  const hint = didYouMean(word.name, [...known, ...STANDARD_NAMES]);
  return usageError(
    `${word.origin}: unknown option "${word.name}"${hint || '.'} ` +
      'The options are listed by: coral-reef help options',
  );
}

function valueOf({ key, value, word }: Aimed): unknown {
  const { form }: OptionSpec = OPTIONS[key];
  const parsed = form.parse(value);
  if (parsed !== undefined) return parsed;
  throw usageError(
    `${word.origin}: "${word.value}" is not allowed for ${word.name}. Allowed: ${form.allowed}`,
  );
}

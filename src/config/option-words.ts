/** From the words of a source (`-o`, environment, file) to values by key, refusing what is unknown. */
import type { z } from 'zod';
import { usageError } from './errors.js';
import { STANDARD_NAMES } from './mount-options.js';
import {
  OPTIONS,
  optionsSchema,
  writtenForm,
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

type Draft = Partial<Record<OptionKey, string | Record<string, string>>>;

const SPECS = Object.entries(OPTIONS) as [OptionKey, OptionSpec][];

/** Reads all words of one source. A later word wins over an earlier one. @throws usage errors */
export function readWords(words: readonly OptionWord[]): OptionValues {
  const draft: Draft = {};
  const origins = new Map<string, OptionWord>();
  for (const word of words) {
    const { target, value } = aim(word);
    if (target.tier === null) draft[target.key] = value;
    else draft[target.key] = { ...(draft[target.key] as object), [target.tier]: value };
    origins.set(originKey(target.key, target.tier), word);
  }
  const result = optionsSchema.safeParse(draft);
  if (!result.success) throw wrongValue(result.error, origins);
  return result.data;
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

function aim(word: OptionWord): { target: Target; value: string } {
  const target = findOption(word.name);
  if (target === undefined) throw unknownOption(word);
  if (target.tier !== null && !isTierName(target.tier)) {
    throw usageError(
      `${word.origin}: "${target.tier}" can't be a tier's name. Allowed: ${TIER_NAME_ALLOWED}`,
    );
  }
  const named = /^([A-Za-z][\w-]*):(.+)$/.exec(word.value);
  if (target.key === 'compress' && named !== null && isTierName(named[1])) {
    return { target: { key: 'tierCompress', tier: named[1] }, value: named[2] };
  }
  return { target, value: word.value };
}

function unknownOption(word: OptionWord): Error {
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

function wrongValue(error: z.ZodError, origins: ReadonlyMap<string, OptionWord>): Error {
  const issue = error.issues[0];
  const [key, tier] = issue.path.map(String);
  const word = origins.get(originKey(key as OptionKey, tier ?? null));
  const spec: OptionSpec = OPTIONS[key as OptionKey];
  const given = word === undefined ? '' : `"${word.value}" is not allowed for ${word.name}. `;
  const origin = word?.origin ?? writtenForm(spec);
  return usageError(`${origin}: ${given}Allowed: ${issue.message}`);
}

function originKey(key: OptionKey, tier: string | null): string {
  return tier === null ? key : `${key} ${tier}`;
}

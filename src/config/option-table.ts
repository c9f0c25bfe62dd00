/**
 * Every option of Coral Reef, once: its name, how its value is read, what the help says. The command line
 * (`-o`), the environment, the YAML file, the help text and the documentation all come from this table.
 */
import { z } from 'zod';
import { CODEC_ALLOWED, parseCodec } from './codec.js';
import { LOG_LEVELS } from './types.js';
import {
  DURATION_ALLOWED,
  PERCENT_ALLOWED,
  RATE_ALLOWED,
  parseDuration,
  parsePercent,
  parseRate,
} from './units.js';

/**
 * Where a tier's name stands in an option that is given per tier: `tier.NAME=`, `NAME.high=`, or in the
 * value as `compress=NAME:zstd:9`.
 */
export type TierNamePlace = 'none' | 'suffix' | 'prefix' | 'value';

export interface OptionSpec<Schema extends z.ZodType = z.ZodType> {
  /** Without the tier's name. */
  name: string;
  tierName: TierNamePlace;
  /** What the help shows after `=`. */
  value: string;
  help: string;
  /** From text to value; its issue text says what is allowed. */
  schema: Schema;
}

const duration = parsed(DURATION_ALLOWED, parseDuration);
const percent = parsed(PERCENT_ALLOWED, parsePercent);
const codec = parsed(CODEC_ALLOWED, parseCodec);
const path = parsed('a path', (text) => (text === '' ? undefined : text));

export const OPTIONS = {
  policy: choice(
    'policy',
    ['balanced', 'latency', 'capacity', 'archive'],
    'preset for rules, watermarks and promotion',
  ),
  tierDirectories: perTier(
    'tier',
    'suffix',
    'DIR',
    'where a tier of this volume is mounted now (overrides what was recorded)',
    path,
  ),
  high: option('high', 'PCT', 'fill level of a tier at which demotion starts', percent),
  low: option('low', 'PCT', 'fill level at which demotion stops', percent),
  tierHigh: perTier('high', 'prefix', 'PCT', 'the same for one tier', percent),
  tierLow: perTier('low', 'prefix', 'PCT', 'the same for one tier', percent),
  promote: choice('promote', ['open', 'heat', 'never'], 'when packed files come up'),
  settle: option(
    'settle',
    'DURATION',
    'how long nobody may write before a file is a candidate to move',
    duration,
  ),
  coldAfter: option('cold-after', 'DURATION', 'unopened for so long, a file goes down', duration),
  halfLife: option('half-life', 'DURATION', 'time in which heat decays to a half', duration),
  compress: option('compress', 'auto|off|zstd:N', 'codec of packs', codec),
  tierCompress: perTier('compress', 'value', 'CODEC', 'codec of packs on one tier', codec),
  migrateRate: option(
    'migrate-rate',
    'RATE',
    'ceiling of background bandwidth; 0 pauses, unlimited lifts it',
    parsed(RATE_ALLOWED, parseRate),
  ),
  passthrough: choice('passthrough', ['auto', 'off'], 'kernel data path for plain files'),
  channel: choice('channel', ['native', 'fuse-native'], 'which implementation talks to the kernel'),
  missingTier: choice(
    'missing-tier',
    ['fail', 'degraded'],
    "a tier's disk is not there: refuse, or serve the rest and answer EIO",
  ),
  waitForTiers: option(
    'wait-for-tiers',
    'DURATION',
    'how long mount waits for tiers whose disks are not there yet',
    duration,
  ),
  config: option('config', 'FILE', 'YAML file with the same settings and the rules', path),
  log: choice('log', LOG_LEVELS, 'what is logged'),
} as const satisfies Readonly<Record<string, OptionSpec>>;

export type OptionKey = keyof typeof OPTIONS;

/** The values of one source, or of several merged, by key of the table. */
export type OptionValues = {
  [Key in OptionKey]?: z.output<(typeof OPTIONS)[Key]['schema']>;
};

/** One schema for every source. Keys it does not know were refused by name before. */
export const optionsSchema = z.strictObject(
  Object.fromEntries(Object.entries(OPTIONS).map(([key, spec]) => [key, spec.schema.optional()])),
) as unknown as z.ZodType<OptionValues>;

/** `NAME.high` and the like: how an option is written in help and messages. */
export function writtenName(spec: OptionSpec, tier = 'NAME'): string {
  if (spec.tierName === 'suffix') return `${spec.name}.${tier}`;
  if (spec.tierName === 'prefix') return `${tier}.${spec.name}`;
  return spec.name;
}

/** `cold-after=DURATION`, as the left column of the help. */
export function writtenForm(spec: OptionSpec): string {
  const value = spec.tierName === 'value' ? `NAME:${spec.value}` : spec.value;
  return `${writtenName(spec)}=${value}`;
}

function option<Schema extends z.ZodType>(
  name: string,
  value: string,
  help: string,
  schema: Schema,
): OptionSpec<Schema> {
  return { name, tierName: 'none', value, help, schema };
}

function choice<const Words extends readonly string[]>(name: string, words: Words, help: string) {
  const find = (text: string): Words[number] | undefined => words.find((word) => word === text);
  return option(name, words.join('|'), help, parsed(words.join(', '), find));
}

function perTier<Schema extends z.ZodType>(
  name: string,
  place: Exclude<TierNamePlace, 'none'>,
  value: string,
  help: string,
  schema: Schema,
): OptionSpec<z.ZodRecord<z.ZodString, Schema>> {
  return { name, tierName: place, value, help, schema: z.record(z.string(), schema) };
}

/** A schema from text to a value; `allowed` completes "Allowed: ..." in the message. */
export function parsed<Value>(allowed: string, parse: (text: string) => Value | undefined) {
  return z.string().transform((text, context): Value => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: allowed, input: text });
    return z.NEVER;
  });
}

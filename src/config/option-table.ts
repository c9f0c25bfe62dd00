/**
 * Every option of Coral Reef, once: its name, how its value is read, what the help says. The command line
 * (`-o`), the environment, the YAML file, the help text and the documentation all come from this table.
 */
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

/** How a value is written. No schema library: every command would wait for it to load. */
export interface TextForm<Value> {
  /** Completes "Allowed: ..." in messages. */
  allowed: string;
  /** Undefined where the text is not allowed. */
  parse(text: string): Value | undefined;
}

export interface OptionSpec<Value = unknown, Place extends TierNamePlace = TierNamePlace> {
  /** Without the tier's name. */
  name: string;
  tierName: Place;
  /** What the help shows after `=`. */
  value: string;
  help: string;
  form: TextForm<Value>;
}

const duration = { allowed: DURATION_ALLOWED, parse: parseDuration };
const percent = { allowed: PERCENT_ALLOWED, parse: parsePercent };
const codec = { allowed: CODEC_ALLOWED, parse: parseCodec };
const jumps = {
  allowed: `${PERCENT_ALLOWED}, or off`,
  parse: (text: string): number | 'off' | undefined =>
    text === 'off' ? 'off' : parsePercent(text),
};
const rate = { allowed: RATE_ALLOWED, parse: parseRate };
const path = {
  allowed: 'a path',
  parse: (text: string): string | undefined => (text === '' ? undefined : text),
};

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
  fragmentation: option(
    'fragmentation',
    'PCT|off',
    'share of the time of reading a packed file that a hard disk may lose to jumps',
    jumps,
  ),
  migrateRate: option(
    'migrate-rate',
    'RATE',
    'ceiling of background bandwidth; 0 pauses, unlimited lifts it',
    rate,
  ),
  share: choice(
    'share',
    ['on', 'off'],
    'plain files on one tier share equal blocks, where its filesystem can (XFS, btrfs)',
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

/** The values of one source, or of several merged, by key of the table; those per tier by its name. */
export type OptionValues = { [Key in OptionKey]?: ValueOf<(typeof OPTIONS)[Key]> };

type ValueOf<Spec> =
  Spec extends OptionSpec<infer Value, infer Place>
    ? Place extends 'none'
      ? Value
      : Record<string, Value>
    : never;

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

function option<Value>(
  name: string,
  value: string,
  help: string,
  form: TextForm<Value>,
): OptionSpec<Value, 'none'> {
  return { name, tierName: 'none', value, help, form };
}

function choice<const Words extends readonly string[]>(name: string, words: Words, help: string) {
  const parse = (text: string): Words[number] | undefined => words.find((word) => word === text);
  return option(name, words.join('|'), help, { allowed: words.join(', '), parse });
}

function perTier<Value>(
  name: string,
  place: Exclude<TierNamePlace, 'none'>,
  value: string,
  help: string,
  form: TextForm<Value>,
): OptionSpec<Value, Exclude<TierNamePlace, 'none'>> {
  return { name, tierName: place, value, help, form };
}

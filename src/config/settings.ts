/**
 * One validated `Settings` from command line, environment, file and preset; the first that says something
 * wins, in this order.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigFile } from './config-file.js';
import { environmentWords } from './environment.js';
import { usageError } from './errors.js';
import { isIgnored, isStandard, kernelMount } from './mount-options.js';
import { splitOptions } from './option-list.js';
import type { OptionValues } from './option-table.js';
import { readWords, type OptionWord } from './option-words.js';
import { PRESETS } from './presets.js';
import type { Rule } from './rule.js';
import { didYouMean } from './suggest.js';
import type { Settings, Watermarks } from './types.js';

export interface SettingsSources {
  /** Texts of `-o`, each a list separated by commas (`\,` is a comma inside a value). */
  options: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  /** Read where no `config=` is given and it exists; null for none. */
  defaultConfigFile: string | null;
  isRoot: boolean;
}

export interface LoadedSettings {
  settings: Settings;
  warnings: string[];
}

/** A quarter of the disk's speed at least; chunks of 64 KiB here and there would give a twentieth. */
const DEFAULT_FRAGMENTATION = 75;

/** The file beside `volume.json` that is read where no other one is named. */
export const DEFAULT_CONFIG_FILE = 'config.yaml';

/** Paths in the result are absolute. @throws usage errors */
export async function loadSettings(sources: SettingsSources): Promise<LoadedSettings> {
  const commandLine = readCommandLine(sources.options);
  const environment = environmentWords(sources.environment);
  const said = { ...readWords(environment.words), ...commandLine.values };
  const configFile = configPath(said.config, sources.defaultConfigFile);
  const file = await readFile(configFile);
  const values = merge(readWords(file.words), readWords(environment.words), commandLine.values);
  const words = [...file.words, ...environment.words, ...commandLine.words];
  const settings = {
    ...build(values, configFile, file.rules, originsIn(words)),
    mount: kernelMount(commandLine.standard, sources.isRoot),
  };
  return { settings, warnings: environment.warnings };
}

/** Refuses names of tiers in settings and rules that the volume does not have. */
export function checkTierNames(settings: Settings, tiers: readonly string[]): void {
  const named: [string, string][] = [
    ...Object.keys(settings.tierDirectories).map(at('tier.')),
    ...Object.keys(settings.tierWatermarks).map(at('watermark of ')),
    ...Object.keys(settings.tierCompress).map(at('compress=')),
    ...ruleTiers(settings.rules),
  ];
  for (const [name, place] of named) {
    if (tiers.includes(name)) continue;
    const hint = didYouMean(name, tiers) || `; it has ${tiers.join(', ')}`;
    throw usageError(`${place}: the volume has no tier "${name}"${hint}`);
  }
}

export function ruleTiers(rules: readonly Rule[]): [string, string][] {
  return rules.flatMap((rule, index) =>
    [rule.place.tier, rule.place.cold]
      .filter((name) => name !== undefined)
      .map((name): [string, string] => [name, `rules[${index}]`]),
  );
}

function at(prefix: string): (name: string) => [string, string] {
  return (name) => [name, prefix + name];
}

interface CommandLine {
  values: OptionValues;
  words: OptionWord[];
  /** Standard options of mount(8), in order. */
  standard: string[];
}

function readCommandLine(texts: readonly string[]): CommandLine {
  const words: OptionWord[] = [];
  const standard: string[] = [];
  for (const word of texts.flatMap(splitOptions)) {
    if (isStandard(word)) standard.push(word);
    else if (!isIgnored(word)) words.push(commandLineWord(word));
  }
  return { values: readWords(words), words, standard };
}

function commandLineWord(word: string): OptionWord {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  return { name, value: equals < 0 ? '' : word.slice(equals + 1), origin: `-o ${word}` };
}

/** What reads YAML is loaded where there is some. */
async function readFile(path: string | null): Promise<ConfigFile> {
  if (path === null) return { words: [], rules: [] };
  const { readConfigFile } = await import('./config-file.js');
  return readConfigFile(path);
}

function configPath(said: string | undefined, fallback: string | null): string | null {
  if (said !== undefined) return resolve(said);
  return fallback !== null && existsSync(fallback) ? fallback : null;
}

/** Later sources win; values per tier are merged tier by tier. */
function merge(...sources: OptionValues[]): OptionValues {
  const result: Record<string, unknown> = {};
  for (const source of sources) {
    for (const [key, value] of Object.entries(source)) {
      const perTier = key.startsWith('tier') && typeof value === 'object';
      result[key] = perTier ? { ...(result[key] as object), ...(value as object) } : value;
    }
  }
  return result;
}

/** Where the words for these options stand that count; for messages about values that do not go together. */
type Origins = (...names: string[]) => string;

function originsIn(words: readonly OptionWord[]): Origins {
  return (...names) =>
    names
      .flatMap((name) => words.findLast((word) => word.name === name)?.origin ?? [])
      .join(' and ');
}

function build(values: OptionValues, configFile: string | null, rules: Rule[], origins: Origins) {
  const policy = values.policy ?? 'balanced';
  const preset = PRESETS[policy];
  const watermarks = overlay(preset.watermarks, values.high, values.low, () =>
    origins('high', 'low'),
  );
  return {
    policy,
    tierDirectories: mapValues(values.tierDirectories ?? {}, (path) => resolve(path)),
    watermarks,
    tierWatermarks: tierWatermarks(values, watermarks, origins),
    promote: values.promote ?? preset.promote,
    settleMs: values.settle ?? preset.settleMs,
    coldAfterMs: values.coldAfter ?? preset.coldAfterMs,
    halfLifeMs: positive(values.halfLife ?? preset.halfLifeMs, origins),
    compress: values.compress ?? { kind: 'auto' as const },
    tierCompress: values.tierCompress ?? {},
    fragmentation: values.fragmentation ?? DEFAULT_FRAGMENTATION,
    migrateRate: values.migrateRate ?? Infinity,
    share: values.share ?? 'on',
    passthrough: values.passthrough ?? 'auto',
    channel: values.channel ?? 'native',
    missingTier: values.missingTier ?? 'fail',
    waitForTiersMs: values.waitForTiers ?? 0,
    configFile,
    rules,
    log: values.log ?? 'info',
  } satisfies Omit<Settings, 'mount'>;
}

function tierWatermarks(
  values: OptionValues,
  base: Watermarks,
  origins: Origins,
): Record<string, Watermarks> {
  const names = new Set([
    ...Object.keys(values.tierHigh ?? {}),
    ...Object.keys(values.tierLow ?? {}),
  ]);
  const result: Record<string, Watermarks> = {};
  for (const name of names) {
    const [high, low] = [values.tierHigh?.[name], values.tierLow?.[name]];
    result[name] = overlay(base, high, low, () => origins(`${name}.high`, `${name}.low`));
  }
  return result;
}

/** A watermark given alone draws the other along, so that there is always room between them. */
function overlay(
  base: Watermarks,
  high: number | undefined,
  low: number | undefined,
  origin: () => string,
): Watermarks {
  const gap = base.high - base.low;
  const result = {
    high: high ?? Math.min(99, Math.max(base.high, low === undefined ? 0 : low + gap)),
    low: low ?? Math.max(0, Math.min(base.low, high === undefined ? 99 : high - gap)),
  };
  if (result.low < result.high) return result;
  throw usageError(
    `${origin()}: demotion would never stop at low=${result.low}, high=${result.high}. ` +
      'Allowed: low below high',
  );
}

function positive(ms: number, origins: Origins): number {
  if (ms > 0) return ms;
  throw usageError(
    `${origins('half-life')}: heat needs time to decay. Allowed: a duration above 0`,
  );
}

function mapValues(record: Record<string, string>, change: (value: string) => string) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

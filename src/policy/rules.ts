/**
 * Rules: from what a file is to where it belongs. The operator's rules come first, the first that
 * matches decides; what it leaves open, and files that no rule matches, get the defaults for the
 * usual tree.
 */
import picomatch from 'picomatch';
import { usageError } from '../config/errors.js';
import type { FileClass } from '../config/file-class.js';
import type { Rule } from '../config/rule.js';
import type { Settings } from '../config/types.js';
import { formatSize } from '../config/units.js';
import type { FileFacts, Placement } from './types.js';

export type RuleFacts = Pick<FileFacts, 'path' | 'size' | 'fileClass'>;

export interface RuleSet {
  placementFor(facts: RuleFacts): Placement;
  /** Whether any placement may say so. */
  maySay(promote: Placement['promote']): boolean;
}

/** Tier names, or `fastest` and `slowest` of whatever the volume has. */
interface Default {
  path?: string;
  classes?: readonly FileClass[];
  says: Partial<Omit<Placement, 'because' | 'tooLarge'>>;
  because: string;
}

const FASTEST = '<fastest>';
const SLOWEST = '<slowest>';

/** In order; the first that matches decides. */
const DEFAULTS: readonly Default[] = [
  {
    path: 'archive/**',
    classes: ['database', 'vector-index'],
    says: { tier: SLOWEST, pack: false, promote: 'never', demote: 'first', coldAfterMs: 0 },
    because: 'default: databases in archive/ are plain on the slowest tier at once',
  },
  {
    path: 'archive/**',
    says: { tier: SLOWEST, promote: 'never', demote: 'first', coldAfterMs: 0 },
    because: 'default: archive/ is packed on the slowest tier at once',
  },
  {
    path: 'cache/**',
    says: { demote: 'first' },
    because: 'default: cache/ goes first when space is needed',
  },
  {
    path: 'models/adapters/**',
    says: { cold: FASTEST, pack: false, demote: 'never' },
    because: 'default: adapters stay plain on the fastest tier',
  },
  {
    path: 'config/**',
    says: { cold: FASTEST, pack: false, demote: 'never' },
    because: 'default: config/ stays plain on the fastest tier',
  },
  {
    classes: ['database', 'vector-index'],
    says: { pack: false },
    because: 'default: databases and vector indexes stay plain, cold ones on the slowest tier',
  },
  {
    path: 'vectors/**',
    says: { pack: false },
    because: 'default: vectors/ stays plain, cold files on the slowest tier',
  },
  {
    path: 'data/{conversations,memories}/**',
    says: { pack: false },
    because: 'default: conversations and memories stay plain, cold ones on the slowest tier',
  },
  {
    path: 'staging/**',
    says: { demote: 'first' },
    because: 'default: staging/ goes first when space is needed',
  },
  {
    classes: ['adapter'],
    says: { cold: FASTEST, pack: false, demote: 'never' },
    because: 'default: adapters stay plain on the fastest tier',
  },
  {
    classes: ['config'],
    says: { cold: FASTEST, pack: false, demote: 'never' },
    because: 'default: configuration stays plain on the fastest tier',
  },
  {
    classes: ['cache'],
    says: { demote: 'first' },
    because: 'default: caches go first when space is needed',
  },
  {
    classes: ['model'],
    says: {},
    because: 'default: models are plain on the fastest tier, cold ones packed on the slowest',
  },
  {
    says: {},
    because: 'default: plain on the fastest tier, cold files packed on the slowest',
  },
];

type Matcher = (facts: RuleFacts) => boolean;

/**
 * Compiles the rules once. `tiers` are names, fastest first; files of more than `largestPacked` bytes stay plain,
 * whatever the rules say.
 * @throws CoralError (usage) where a rule names a tier that the volume does not have.
 */
export function compileRules(
  settings: Pick<Settings, 'rules' | 'promote' | 'coldAfterMs'>,
  tiers: readonly string[],
  largestPacked: number,
): RuleSet {
  settings.rules.forEach((rule, index) => checkTiers(rule, index, tiers));
  const rules = settings.rules.map((rule, index) => ({
    matches: matcherOf(rule),
    place: rule.place,
    because: `rule ${index + 1}: ${describe(rule)}`,
  }));
  const defaults = DEFAULTS.map((entry) => ({
    matches: defaultMatcher(entry),
    placement: complete(entry, settings, tiers),
  }));

  return {
    placementFor(facts) {
      const base = defaults.find((entry) => entry.matches(facts))!.placement;
      const rule = rules.find((entry) => entry.matches(facts));
      const placement = rule ? applyRule(base, rule.place, rule.because, tiers) : base;
      const fits = !placement.pack || facts.size <= largestPacked;
      return fits ? placement : keptPlain(placement, largestPacked);
    },
    maySay: (promote) =>
      defaults.some(({ placement }) => placement.promote === promote) ||
      rules.some(({ place }) => place.promote === promote),
  };
}

/** What the operator says wins. Cold data is never meant to be on a faster tier than hot data. */
function applyRule(
  base: Placement,
  place: Rule['place'],
  because: string,
  tiers: readonly string[],
): Placement {
  const { tier = base.tier, promote = base.promote, demote = base.demote } = place;
  const freed = base.demote === 'never' && demote !== 'never';
  const wanted = place.cold ?? (freed ? tiers[tiers.length - 1] : base.cold);
  const cold = tiers[Math.max(tiers.indexOf(wanted), tiers.indexOf(tier))];
  const pack = place.pack === undefined ? base.pack : place.pack === 'auto';
  return { ...base, tier, cold, promote, demote, pack, because };
}

function keptPlain(placement: Placement, largestPacked: number): Placement {
  const because = `${placement.because}; it stays plain, since it is larger than ${formatSize(largestPacked)}`;
  return { ...placement, pack: false, tooLarge: true, because };
}

function complete(
  entry: Default,
  settings: Pick<Settings, 'promote' | 'coldAfterMs'>,
  tiers: readonly string[],
): Placement {
  const resolve = (name: string): string =>
    name === FASTEST ? tiers[0] : name === SLOWEST ? tiers[tiers.length - 1] : name;
  const { tier = FASTEST, cold = SLOWEST, pack = true, demote = 'auto' } = entry.says;
  return {
    tier: resolve(tier),
    cold: resolve(cold),
    pack,
    // A remount changes these two of the settings.
    get promote() {
      return entry.says.promote ?? settings.promote;
    },
    tooLarge: false,
    demote,
    get coldAfterMs() {
      return entry.says.coldAfterMs ?? settings.coldAfterMs;
    },
    because: entry.because,
  };
}

function defaultMatcher({ path, classes }: Default): Matcher {
  const onPath = path === undefined ? undefined : pathMatcher(path);
  return (facts) => (!onPath || onPath(facts)) && (!classes || classes.includes(facts.fileClass));
}

function matcherOf({ match }: Rule): Matcher {
  const onPath = match.path === undefined ? undefined : pathMatcher(match.path);
  return (facts) =>
    (!onPath || onPath(facts)) &&
    (match.class === undefined || match.class === facts.fileClass) &&
    (match.larger === undefined || facts.size > match.larger) &&
    (match.smaller === undefined || facts.size < match.smaller);
}

/** A glob below the mount; a leading slash changes nothing, names with a leading dot count. */
function pathMatcher(glob: string): Matcher {
  const matches = picomatch(glob.replace(/^\/+/, ''), { dot: true });
  return ({ path }) => matches(path.replace(/^\/+/, ''));
}

function checkTiers(rule: Rule, index: number, tiers: readonly string[]): void {
  for (const key of ['tier', 'cold'] as const) {
    const name = rule.place[key];
    if (name === undefined || tiers.includes(name)) continue;
    throw usageError(
      `rule ${index + 1}: place.${key}: the volume has no tier '${name}'; it has ${tiers.join(', ')}`,
    );
  }
}

function describe({ match }: Rule): string {
  const parts = [
    match.path === undefined ? '' : `path ${match.path}`,
    match.class === undefined ? '' : `class ${match.class}`,
    match.larger === undefined ? '' : `larger than ${match.larger} bytes`,
    match.smaller === undefined ? '' : `smaller than ${match.smaller} bytes`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'all files' : parts.join(', ');
}

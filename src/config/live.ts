/**
 * What a remount changes of the settings of a mount that serves: the values that are read whenever they are
 * needed change in place; the others are refused by the name of their option.
 */
import { isDeepStrictEqual } from 'node:util';
import { usageError } from './errors.js';
import type { Settings } from './types.js';

const LIVE = [
  'policy',
  'watermarks',
  'tierWatermarks',
  'promote',
  'settleMs',
  'coldAfterMs',
  'halfLifeMs',
  'compress',
  'tierCompress',
  'fragmentation',
  'migrateRate',
  'share',
  'log',
] as const satisfies readonly (keyof Settings)[];

type LiveKey = (typeof LIVE)[number];
/** A remount has words of its own for these. */
type KernelKey = 'mount';

const FIXED: Readonly<Record<Exclude<keyof Settings, LiveKey | KernelKey>, string>> = {
  tierDirectories: 'tier.NAME',
  passthrough: 'passthrough',
  channel: 'channel',
  missingTier: 'missing-tier',
  waitForTiersMs: 'wait-for-tiers',
  configFile: 'config',
  rules: 'config',
};

/**
 * What has to be written over the settings in use, where the same sources gave `before` without the words of
 * the remount and `after` with them. @throws usage error where an option is fixed at mounting
 */
export function liveChanges(before: Settings, after: Settings): Partial<Settings> {
  for (const [key, name] of Object.entries(FIXED)) {
    if (isDeepStrictEqual(before[key as keyof Settings], after[key as keyof Settings])) continue;
    throw usageError(
      `-o remount: ${name}= can't be changed while the volume is mounted. ` +
        'Unmount it, and mount it with the new value',
    );
  }
  const changed = LIVE.filter((key) => !isDeepStrictEqual(before[key], after[key]));
  return Object.fromEntries(changed.map((key) => [key, after[key]]));
}

/** What each `policy=` preset stands for: the defaults of everything that was not said. */
import type { PolicyPreset, Settings } from './types.js';

export type Preset = Pick<
  Settings,
  'watermarks' | 'promote' | 'settleMs' | 'coldAfterMs' | 'halfLifeMs'
>;

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

export const PRESETS: Readonly<Record<PolicyPreset, Preset>> = {
  /** Models stay up for a working week and come up when opened. */
  balanced: {
    watermarks: { high: 85, low: 75 },
    promote: 'open',
    settleMs: 10 * SECOND,
    coldAfterMs: 7 * DAY,
    halfLifeMs: 3 * DAY,
  },
  /** The fast tier is used to its end; things go down late. */
  latency: {
    watermarks: { high: 92, low: 87 },
    promote: 'open',
    settleMs: 30 * SECOND,
    coldAfterMs: 30 * DAY,
    halfLifeMs: 7 * DAY,
  },
  /** Space first: packed early, up only when really in use. */
  capacity: {
    watermarks: { high: 75, low: 60 },
    promote: 'heat',
    settleMs: 5 * SECOND,
    coldAfterMs: DAY,
    halfLifeMs: DAY,
  },
  /** Write once, read rarely: down within the hour, and stays there. */
  archive: {
    watermarks: { high: 60, low: 40 },
    promote: 'never',
    settleMs: 5 * SECOND,
    coldAfterMs: HOUR,
    halfLifeMs: DAY,
  },
};

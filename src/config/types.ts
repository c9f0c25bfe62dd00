/** Settings of one mount: options, environment, file and defaults after validation. */
import type { Rule } from './rule.js';

export type PolicyPreset = 'balanced' | 'latency' | 'capacity' | 'archive';
export type Codec = { kind: 'auto' } | { kind: 'off' } | { kind: 'zstd'; level: number };

export interface Watermarks {
  /** Percent of capacity, 1 to 99; low < high. */
  high: number;
  low: number;
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface KernelMount {
  /** MS_* bits for mount(2). */
  flags: number;
  readOnly: boolean;
  allowOther: boolean;
  /** The mount goes when the daemon dies. */
  autoUnmount: boolean;
  /** Words of SELinux for the kernel. */
  contexts: readonly string[];
}

/**
 * One object per mount, which all parts share. A remount changes the values of `config/live.ts` in place: a
 * part reads them when it needs them and keeps no copy.
 */
export interface Settings {
  policy: PolicyPreset;
  /** tier.NAME=DIR */
  tierDirectories: Readonly<Record<string, string>>;
  watermarks: Watermarks;
  tierWatermarks: Readonly<Record<string, Partial<Watermarks>>>;
  promote: 'open' | 'heat' | 'never';
  settleMs: number;
  coldAfterMs: number;
  halfLifeMs: number;
  compress: Codec;
  tierCompress: Readonly<Record<string, Codec>>;
  /** Percent of the time of reading a packed file in order that a seeking medium may spend on jumps. */
  fragmentation: number | 'off';
  /** Bytes per second, Infinity for no limit, 0 pauses. */
  migrateRate: number;
  /** Whether plain files on one tier share what is equal in them. */
  share: 'on' | 'off';
  passthrough: 'auto' | 'off';
  channel: 'native' | 'fuse-native';
  missingTier: 'fail' | 'degraded';
  /** How long a mount waits for tiers that are not there yet; 0 for not at all. */
  waitForTiersMs: number;
  configFile: string | null;
  /** The operator's rules; defaults come after them. */
  rules: readonly Rule[];
  log: LogLevel;
  mount: KernelMount;
}

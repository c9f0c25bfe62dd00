/** What migration works with, and the errors by which a move ends without being done. */
import type { Logger } from 'pino';
import type { Settings } from '../config/types.js';
import type { ContentStore } from '../content/types.js';
import type { Namespace } from '../namespace/types.js';
import type { RuleSet } from '../policy/rules.js';
import type { Store } from '../store/types.js';
import type { TierSet, VolumeConfig } from '../tiers/types.js';
import type { FileActivity } from './types.js';

export type MigrationSettings = Pick<
  Settings,
  | 'migrateRate'
  | 'share'
  | 'compress'
  | 'tierCompress'
  | 'fragmentation'
  | 'watermarks'
  | 'tierWatermarks'
  | 'settleMs'
  | 'coldAfterMs'
  | 'halfLifeMs'
>;

export interface MigrationDeps {
  namespace: Namespace;
  content: ContentStore;
  tiers: TierSet;
  store: Store;
  activity: FileActivity;
  rules: RuleSet;
  settings: MigrationSettings;
  chunking: VolumeConfig['chunking'];
  log: Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>;
}

/**
 * A move that failed; the message is one line for people. `code` is an errno name where one fits.
 */
export class MoveError extends Error {
  override readonly name = 'MoveError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * A move that is no longer wanted or possible: cancelled, or its file was deleted. Not a failure.
 */
export class MoveCancelled extends Error {
  override readonly name = 'MoveCancelled';
  readonly code = 'ECANCELED';
}

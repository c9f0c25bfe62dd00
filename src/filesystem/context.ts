/** What the operations of one mounted filesystem share. */
import type { Log } from '../observe/log.js';
import type { Settings } from '../config/types.js';
import type { ContentStore } from '../content/types.js';
import type { DataServer } from '../fuse/data-server.js';
import type { Migration } from '../migration/types.js';
import type { Namespace } from '../namespace/types.js';
import type { TierSet } from '../tiers/types.js';
import type { Heating } from './heating.js';
import type { OpenFiles } from './open-files.js';
import type { Orphans } from './orphans.js';
import type { Placing } from './placing.js';
import type { Settling } from './settling.js';
import type { Spares } from './spares.js';

export interface FilesystemDependencies {
  namespace: Namespace;
  content: ContentStore;
  tiers: TierSet;
  settings: Settings;
  log: Log;
}

/** The parts are set in order by `createFilesystem`; operations run only after all of them. */
export interface Context extends FilesystemDependencies {
  /** Set when a channel is attached. */
  server: DataServer;
  /** Plain files get a kernel backing file. Turned off when the kernel or a tier refuses. */
  passthrough: boolean;
  /** Set by the daemon before serving. */
  migration: Migration;
  files: OpenFiles;
  settling: Settling;
  orphans: Orphans;
  placing: Placing;
  heating: Heating;
  spares: Spares;
}

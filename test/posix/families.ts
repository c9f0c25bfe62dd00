/** The whole suite. */
import type { Family } from './cases.js';
import { copying } from './copying.js';
import { dataTimes } from './data-times.js';
import { deletedFiles } from './deleted-files.js';
import { directories } from './directories.js';
import { fileSpace } from './file-space.js';
import { links } from './links.js';
import { locks } from './locks.js';
import { mappings } from './mappings.js';
import { openFlags } from './open-flags.js';
import { paths } from './paths.js';
import { renameFamily } from './rename.js';
import { renamePermissions } from './rename-permissions.js';
import { setIdWrites } from './set-id-writes.js';
import { unlinking } from './unlink.js';

export const FAMILIES: readonly Family[] = [
  paths,
  renameFamily,
  renamePermissions,
  links,
  directories,
  unlinking,
  openFlags,
  fileSpace,
  mappings,
  dataTimes,
  setIdWrites,
  copying,
  deletedFiles,
  locks,
];

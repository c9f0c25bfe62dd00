/** The whole suite. */
import type { Family } from './cases.js';
import { directories } from './directories.js';
import { links } from './links.js';
import { paths } from './paths.js';
import { renameFamily } from './rename.js';
import { renamePermissions } from './rename-permissions.js';
import { unlinking } from './unlink.js';

export const FAMILIES: readonly Family[] = [
  paths,
  renameFamily,
  renamePermissions,
  links,
  directories,
  unlinking,
];

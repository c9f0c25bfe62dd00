/** The whole suite. */
import type { Family } from './cases.js';
import { acls } from './acl.js';
import { handlesFamily } from './handles.js';
import { xattrs } from './xattrs.js';
import { copying } from './copying.js';
import { dataTimes } from './data-times.js';
import { deletedFiles } from './deleted-files.js';
import { directories } from './directories.js';
import { fileSpace } from './file-space.js';
import { links } from './links.js';
import { listing } from './listing.js';
import { nodes } from './nodes.js';
import { locks } from './locks.js';
import { mappings } from './mappings.js';
import { openFlags } from './open-flags.js';
import { paths } from './paths.js';
import { permissions } from './permissions.js';
import { renameFamily } from './rename.js';
import { renamePermissions } from './rename-permissions.js';
import { timesFamily } from './times.js';
import { setIdWrites } from './set-id-writes.js';
import { unlinking } from './unlink.js';

export const FAMILIES: readonly Family[] = [
  paths,
  renameFamily,
  renamePermissions,
  links,
  directories,
  unlinking,
  nodes,
  listing,
  permissions,
  timesFamily,
  acls,
  xattrs,
  handlesFamily,
  openFlags,
  fileSpace,
  mappings,
  dataTimes,
  setIdWrites,
  copying,
  deletedFiles,
  locks,
];

/** The whole suite. */
import type { Family } from './cases.js';
import { acls } from './acl.js';
import { handlesFamily } from './handles.js';
import { xattrs } from './xattrs.js';
import { directories } from './directories.js';
import { links } from './links.js';
import { listing } from './listing.js';
import { nodes } from './nodes.js';
import { paths } from './paths.js';
import { permissions } from './permissions.js';
import { renameFamily } from './rename.js';
import { renamePermissions } from './rename-permissions.js';
import { timesFamily } from './times.js';
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
];

/** The whole suite. */
import type { Family } from './cases.js';
import { renameFamily } from './rename.js';
import { renamePermissions } from './rename-permissions.js';

export const FAMILIES: readonly Family[] = [renameFamily, renamePermissions];

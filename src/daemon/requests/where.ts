/** Answers `where`. */
import type { DirectoryDocument, WhereDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { findTarget, isDirectory } from './find.js';
import { whereBelow } from './where-below.js';
import { whereOf } from './where-file.js';

export async function where(
  parts: Parts,
  args: Record<string, unknown>,
): Promise<WhereDocument | DirectoryDocument> {
  const target = findTarget(parts.namespace, args);
  return isDirectory(target.inode) ? whereBelow(parts, target) : whereOf(parts, target);
}

/** `gc`: gives everything back that can be given back now. */
import type { ReclaimReport } from '../../content/types.js';
import type { Parts } from '../parts.js';
import { mustBeWritable } from './find.js';

export async function gc(parts: Parts): Promise<ReclaimReport> {
  mustBeWritable(parts);
  await parts.filesystem.releaseDeleted();
  return parts.content.reclaimAll();
}

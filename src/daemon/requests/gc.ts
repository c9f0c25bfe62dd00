/** `gc`: gives everything back that can be given back now, and says how much can't. */
import type { FullReclaimReport } from '../../content/types.js';
import type { Parts } from '../parts.js';
import { mustBeWritable } from './find.js';

export async function gc(parts: Parts): Promise<FullReclaimReport> {
  mustBeWritable(parts);
  await parts.filesystem.releaseDeleted();
  return parts.migration.unpaused(() => parts.content.reclaimAll());
}

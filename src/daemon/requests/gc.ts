/** `gc`: gives everything back that can be given back now, and says how much can't. */
import type { FullReclaimReport } from '../../content/types.js';
import type { Parts } from '../parts.js';
import { mustBeWritable } from './find.js';

/** Arguments: `unknown`, also what lies in packs that were written under another namespace. */
export async function gc(parts: Parts, args: Record<string, unknown>): Promise<FullReclaimReport> {
  mustBeWritable(parts);
  // A disk may have been brought back just for this.
  await parts.tiers.refresh();
  if (args['unknown'] === true) parts.content.giveUpAdopted();
  await parts.filesystem.releaseDeleted();
  return parts.migration.unpaused(() => parts.content.reclaimAll());
}

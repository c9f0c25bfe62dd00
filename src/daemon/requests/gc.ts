/** `gc`: gives everything back that can be given back now. */
import type { ReclaimReport } from '../../content/types.js';
import type { Parts } from '../parts.js';
import { mustBeWritable } from './find.js';

/** Each round is bounded, so that others get their turn; rounds go on until one changes nothing. */
export async function gc(parts: Parts): Promise<ReclaimReport> {
  mustBeWritable(parts);
  await parts.filesystem.releaseDeleted();
  const total = await parts.content.reclaim();
  for (let round = total; didSomething(round);) {
    round = await parts.content.reclaim();
    for (const key of Object.keys(total) as (keyof ReclaimReport)[]) total[key] += round[key];
  }
  return total;
}

function didSomething({ recipes, chunksRemoved, packsRemoved, packsCompacted }: ReclaimReport) {
  return recipes + chunksRemoved + packsRemoved + packsCompacted > 0;
}

/** What the time of change of a backing file tells. */
import { Stat } from '../native.js';

/** FAT keeps even seconds; others keep less than the inode does, or more than that. */
const COARSEST_SEC = 2;

/**
 * Whether it was written since its times were recorded, as far as these tell. `stat` is in the order of `Stat`. A medium
 * that keeps coarser times has an earlier one; who writes past Coral Reef and sets the times back is not noticed.
 */
export function isWrittenSince(
  recorded: { mtimeSec: number; mtimeNsec: number },
  stat: Float64Array,
): boolean {
  const [sec, nsec] = [stat[Stat.mtimeSec], stat[Stat.mtimeNsec]];
  if (sec === recorded.mtimeSec) return nsec > recorded.mtimeNsec;
  return sec > recorded.mtimeSec || recorded.mtimeSec - sec >= COARSEST_SEC;
}

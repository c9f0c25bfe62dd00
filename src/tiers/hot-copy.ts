/**
 * Hot copies: plain files that are packed as well. Of all plain data only they have a checksum, and whoever opens one for
 * writing gives the packed form up first, durably: one that differs has rotted, or was written past Coral Reef.
 */
import { constants } from 'node:fs';
import { native, Stat } from '../native.js';

/** FAT keeps even seconds; others keep less than the inode does. */
const COARSEST_SEC = 2;

/** What is recorded of one. */
export interface Recorded {
  /** Of what was packed, XXH3-128 in hex. */
  digest: string;
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
}

export interface HotCopy {
  state: 'good' | 'rotten' | 'written';
  /** One line, of what is not good. */
  why: string;
}

const GOOD: HotCopy = { state: 'good', why: '' };
const WRITTEN: HotCopy = { state: 'written', why: 'was written past Coral Reef' };
const ROTTEN: HotCopy = { state: 'rotten', why: 'is not what was packed' };

/** Reads it by `digestOf`. @throws what is no fault of the medium, as ECANCELED */
export async function lookAtHotCopy(
  path: string,
  recorded: Recorded,
  digestOf: (fd: number) => Promise<{ digest: Buffer }>,
): Promise<HotCopy> {
  try {
    return await lookAt(path, recorded, digestOf);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EIO' && code !== 'ENOENT') throw error;
    return { state: 'rotten', why: `can't be read (${code})` };
  }
}

async function lookAt(
  path: string,
  recorded: Recorded,
  digestOf: (fd: number) => Promise<{ digest: Buffer }>,
): Promise<HotCopy> {
  const { O_RDONLY, O_NOATIME, O_NOFOLLOW } = constants;
  const fd = await native.open(path, O_RDONLY | O_NOATIME | O_NOFOLLOW, 0);
  try {
    const stat = new Float64Array(Stat.length);
    native.statFd(fd, stat);
    if (stat[Stat.size] === recorded.size) {
      const { digest } = await digestOf(fd);
      if (digest.toString('hex') === recorded.digest) return GOOD;
    }
    return isWrittenSince(recorded, stat) ? WRITTEN : ROTTEN;
  } finally {
    native.close(fd);
  }
}

/** A medium that keeps coarser times has an earlier one. Who writes past us and sets the times back is not noticed. */
function isWrittenSince({ mtimeSec, mtimeNsec }: Recorded, stat: Float64Array): boolean {
  const [sec, nsec] = [stat[Stat.mtimeSec], stat[Stat.mtimeNsec]];
  if (sec === mtimeSec) return nsec > mtimeNsec;
  return sec > mtimeSec || mtimeSec - sec >= COARSEST_SEC;
}

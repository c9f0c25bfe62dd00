/** Room: what a file takes where it is plain. */
import type { Inode } from '../namespace/types.js';
import type { MigrationDeps } from './deps.js';

/** Bytes. A sweep looks at each file, and the holes of shorter ones are not worth looking at their recipes. */
const SHORT_BYTES = 1 << 20;

/** Bytes of a settled file outside its holes: no plain copy takes more. */
export function plainBytes({ content }: Pick<MigrationDeps, 'content'>, inode: Inode): number {
  const { ino, size, plainTier, plainBlocks } = inode;
  if (size < SHORT_BYTES) return size;
  // Blocks may be allocated beyond the end too.
  const bytes = plainTier !== 0 ? 512 * plainBlocks : content.dataBytes(ino);
  return Math.min(size, bytes ?? size);
}

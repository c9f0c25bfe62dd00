/** Damage on the medium. */
import { open } from 'node:fs/promises';
import type { PackedPlan } from '../../src/native.js';

/** Changes one byte of a chunk's data in its pack. */
export async function damage(plan: PackedPlan, chunk: number): Promise<void> {
  const file = await open(plan.packPaths[plan.packs[chunk]], 'r+');
  try {
    const at = plan.offsets[chunk] + plan.stored[chunk] - 1;
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] ^= 0xff;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

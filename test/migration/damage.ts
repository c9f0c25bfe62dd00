/** Damage on the medium. */
import { open, writeFile } from 'node:fs/promises';
import { native, type PackedPlan, Stat } from '../../src/native.js';

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

/** Gives a file other bytes, and none of its times away. */
export async function rotTo(path: string, bytes: Buffer): Promise<void> {
  const before = new Float64Array(Stat.length);
  native.statPath(path, before);
  await writeFile(path, bytes);
  const fd = await native.open(path, 0, 0);
  native.setTimes(
    fd,
    before[Stat.atimeSec],
    before[Stat.atimeNsec],
    before[Stat.mtimeSec],
    before[Stat.mtimeNsec],
  );
  native.close(fd);
}

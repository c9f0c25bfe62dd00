/** File contents for end-to-end tests: generated, repeatable, checked by digest. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from '../../scripts/fixtures/random-bytes.js';

export const MiB = 1 << 20;

/** Bytes that do not compress. */
export function noise(length: number, seed = 1): Buffer {
  return randomBytes(seed).next(length);
}

/** Bytes that compress well and repeat nowhere as whole chunks. */
export function prose(length: number, seed = 1): Buffer {
  const words = randomBytes(seed)
    .next(Math.ceil(length / 2))
    .toString('hex');
  return Buffer.from(words.replaceAll('0', ' ').slice(0, length));
}

export async function put(path: string, data: Buffer): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, data);
  return digest(data);
}

export function digest(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

export function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  return new Promise((resolve, reject) => {
    createReadStream(path, { highWaterMark: MiB })
      .on('data', (data) => hash.update(data))
      .on('error', reject)
      .on('end', () => {
        resolve(hash.digest('hex'));
      });
  });
}

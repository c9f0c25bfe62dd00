/** A program that has files mapped, as a model loader has, and looks whether they stay what they are. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Hashes every page again and again, until its input ends. What changed and changed back shows as no page. */
const PROGRAM = `
import hashlib, mmap, select, sys
maps = []
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        maps.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
first = [bytes(m) for m in maps]
digests = [hashlib.sha256(data).digest() for data in first]
print("mapped", flush=True)
rounds = 0
while not select.select([sys.stdin], [], [], 0)[0] or rounds == 0:
    for path, m, data, digest in zip(sys.argv[1:], maps, first, digests):
        if hashlib.sha256(m).digest() == digest:
            continue
        pages = [at for at in range(0, len(data), 4096) if m[at:at + 4096] != data[at:at + 4096]]
        found = [m[at:at + 16].hex() for at in pages[:3]]
        sys.exit(f"{path}: other bytes in pages at {pages[:20]} of {len(pages)}, such as {found}")
    rounds += 1
`;

/** Resolves when all is mapped and was read once. @returns what ends it; it throws where a byte changed. */
export async function mapAndRead(...paths: string[]): Promise<() => Promise<void>> {
  const reader = spawn('python3', ['-c', PROGRAM, ...paths], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(reader, 'exit');
  await Promise.race([once(reader.stdout, 'data'), ended]);
  return async () => {
    reader.stdin.end();
    assert.deepEqual(await ended, [0, null]);
  };
}

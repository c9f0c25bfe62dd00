/** Who opens a FIFO waits for somebody at its other end: nothing that looks at packs may do so. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { native, type PackedPlan } from '../../src/native.js';
import {
  noise,
  packData,
  randomFrom,
  temporaryDirectory,
  testSeed,
  VOLUME_ID,
} from './content-kit.js';

const KINDS: Record<string, (path: string) => unknown> = {
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a directory': (path) => mkdirSync(path),
};

interface Place {
  plan: PackedPlan;
  pack: string;
  parity: string;
}

async function packed(t: TestContext): Promise<Place> {
  const directory = temporaryDirectory(t);
  const data = noise(100_000, randomFrom(testSeed(t)));
  const { plan, packPath } = await packData(directory, data, { seal: true });
  return { plan, pack: packPath, parity: packPath.replace('.pack', '.parity') };
}

function mendFirst({ pack, plan }: Place): Promise<Uint32Array> {
  return native.mendRecords(pack, plan.packIds[0], VOLUME_ID, {
    offsets: plan.offsets.slice(0, 1),
    stored: plan.stored.slice(0, 1),
    lengths: plan.lengths.slice(0, 1),
    hashes: Buffer.alloc(32),
  });
}

/** Another pack, so that records of the first can be copied to it. */
async function copyFirst({ pack, plan }: Place): Promise<unknown> {
  const writer = native.createPackWriter(join(pack, '../other.pack'), 8, VOLUME_ID);
  const records = [plan.offsets.slice(0, 1), plan.stored.slice(0, 1)] as const;
  return writer.copyRecords(pack, plan.packIds[0], ...records).finally(() => writer.close());
}

for (const [kind, make] of Object.entries(KINDS)) {
  test(`${kind} in place of a pack is refused at once`, async (t) => {
    const place = await packed(t);
    const { pack, plan } = place;
    rmSync(pack);
    make(pack);
    const refused = { code: 'EIO', path: pack };
    await assert.rejects(native.scanPack(pack, false), refused);
    await assert.rejects(native.scanPack(pack, true), refused);
    await assert.rejects(native.makeParity(pack), refused);
    // To write to a directory the kernel refuses by itself.
    await assert.rejects(native.repairPack(pack, 8192));
    await assert.rejects(mendFirst(place));
    await assert.rejects(copyFirst(place));
    assert.throws(() => native.openPlan(plan), refused);
  });

  test(`${kind} in place of parity is as good as none`, async (t) => {
    const place = await packed(t);
    rmSync(place.parity);
    make(place.parity);
    await assert.rejects(mendFirst(place), { code: 'EIO', path: place.parity });
  });
}

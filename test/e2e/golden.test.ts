/**
 * Volumes of every format version that was ever written (`test/golden`): each is mounted as it was left, holds
 * what it held then, and can be written to.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { native } from '../../src/native.js';
import { archiveOf, archives, mountOptions, unarchive } from '../golden/archive.js';
import { readTree, type Entry } from '../golden/manifest.js';
import { NEW, PACKED, PACKED_ON_SSD, PROMOTED, words } from '../golden/tree.js';
import { lutimens } from '../posix/system/attributes.js';
import { digestFile, noise, put } from './content.js';
import { createPlace, type TestVolume } from './harness.js';

const NEW_FILE = join(NEW, 'file');
const FIRST_RECORD = 8192;

/** Where a file is may change, and when something was put into the directory for that; all else may not. */
function comparable(entries: Entry[]): Entry[] {
  return entries.map(({ tier: _tier, form: _form, ...rest }) =>
    rest.path === NEW ? { ...rest, mtime: '' } : rest,
  );
}

function assertHolds(volume: TestVolume, expected: Entry[]): void {
  assert.deepEqual(comparable(readTree(volume.mountpoint, [NEW])), comparable(expected));
}

async function assertSound(volume: TestVolume): Promise<void> {
  for (const verb of ['fsck', 'scrub']) {
    const { code, stdout, stderr } = await volume.run(verb, volume.mountpoint);
    assert.equal(code, 0, `${verb}: ${stdout}${stderr}`);
  }
}

async function packedBytes(volume: TestVolume): Promise<number> {
  return (await volume.status()).tiers.reduce((sum, tier) => sum + tier.packedBytes, 0);
}

/** Its packed form is still there: nothing has to be written. */
async function demoteAgain(volume: TestVolume): Promise<void> {
  const before = await packedBytes(volume);
  await volume.demote(PROMOTED);
  assert.equal((await volume.where(PROMOTED)).form, 'packed');
  assert.equal(await packedBytes(volume), before);
}

/** Shares a chunk with nothing, and is stored in every way that the current format has. */
async function demoteNew(volume: TestVolume): Promise<string> {
  const parts = [words(150_000, 99), Buffer.alloc(300_000), noise(100_000, 99)];
  const sum = await put(volume.at(NEW_FILE), Buffer.concat(parts));
  await volume.demote(NEW_FILE);
  assert.equal((await volume.where(NEW_FILE)).form, 'packed');
  return sum;
}

/** A file that is written to comes back whole; here with the same bytes. */
async function hydrate(volume: TestVolume, expected: Entry[]): Promise<void> {
  const path = volume.at(PACKED_ON_SSD);
  const handle = await open(path, 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, 0);
  await handle.write(buffer, 0, 1, 0);
  await handle.close();
  const entry = expected.find((one) => one.path === PACKED_ON_SSD);
  lutimens(path, BigInt(entry?.mtime ?? 0), BigInt(entry?.mtime ?? 0));
  await volume.waitUntil(PACKED_ON_SSD, { form: 'plain' });
}

async function promoteAll(volume: TestVolume): Promise<void> {
  await volume.promote(PACKED);
  const below = readTree(volume.at(PACKED)).filter(({ path }) => path !== '');
  assert.deepEqual(
    new Set(below.map(({ form, tier }) => `${form} on ${tier}`)),
    new Set(['plain on nvme']),
  );
}

/** Of packs with parity one place is lost: whoever reads them must not notice. @returns how many there are */
async function losePlaces(volume: TestVolume): Promise<number> {
  let lost = 0;
  for (const tier of ['ssd', 'hdd'] as const) {
    for (const pack of await volume.packs(tier)) {
      if (!existsSync(pack.replace('.pack', '.parity'))) continue;
      const handle = await open(pack, 'r+');
      await handle.write(noise(500, 7), 0, 500, FIRST_RECORD);
      await handle.close();
      lost++;
    }
  }
  return lost;
}

async function useGolden(context: TestContext, name: string): Promise<void> {
  const { volume, expected } = await unarchive(context, name);
  assert.equal((await losePlaces(volume)) > 0, name.includes('parity'));
  const options = mountOptions(volume);
  await volume.mount(options);
  assert.deepEqual(readTree(volume.mountpoint), expected);
  const { storedAgainBytes } = (await volume.status()).savings;
  const isOld = [1, 2].some((version) => archiveOf(version).endsWith(`/${name}`));
  assert.equal(storedAgainBytes > 0, !isOld);
  await assertSound(volume);
  await demoteAgain(volume);
  const sum = await demoteNew(volume);
  await hydrate(volume, expected);
  await promoteAll(volume);
  await volume.remount(options);
  assertHolds(volume, expected);
  assert.equal(await digestFile(volume.at(NEW_FILE)), sum);
  await volume.demote(PACKED);
  assertHolds(volume, expected);
  await assertSound(volume);
  await volume.unmount();
}

for (const name of archives()) {
  test(`${name} is read and written as when it was new`, { timeout: 180_000 }, (context) =>
    useGolden(context, name),
  );
}

test('the format that is written today has a golden volume', async (context) => {
  const { root } = await createPlace(context);
  const pack = join(root, 'new.pack');
  native.createPackWriter(pack, 1, Buffer.alloc(16)).close();
  const path = archiveOf(readFileSync(pack).readUInt32LE(8));
  assert.ok(existsSync(path), `${path} is missing: run scripts/fixtures/make-golden and keep it`);
});

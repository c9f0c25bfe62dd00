/** Tiers change under the volume's lock: nobody else uses the volume then, nor goes on with what it was before. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { lockVolume } from '../../src/daemon/lock.js';
import { checkOffline } from '../../src/daemon/offline.js';
import { addTierTo, changeTierOf, tiersOf } from '../../src/daemon/volume-tiers.js';
import { addTier } from '../../src/tiers/tier-changes.js';
import { createVolume, readVolume } from '../../src/tiers/volume.js';
import { waitFor } from '../../scripts/lib/process.js';
import { unusable } from './unusable.js';

async function make(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'coral-reef-tiers-'));
  context.after(() => rm(root, { recursive: true }));
  for (const name of ['nvme', 'hdd', 'more']) await mkdir(join(root, name));
  const tiers = ['nvme', 'hdd'].map((name) => ({ name, path: join(root, name) }));
  const directory = join(root, 'volume');
  const volume = await createVolume(directory, tiers);
  return { root, directory, volume, more: { name: 'more', path: join(root, 'more') } };
}

/** How often this process has the lock file of a volume open. */
async function openLocks(directory: string): Promise<number> {
  const fds = await readdir('/proc/self/fd');
  const paths = fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(paths)).filter((path) => path === join(directory, 'lock')).length;
}

test('who waited for the volume does not write to the tiers that it had before', async (context) => {
  const { directory, volume, more } = await make(context);
  const lock = await lockVolume(directory, null);
  const checking = checkOffline(directory, [], false);
  checking.catch(() => undefined);
  await waitFor('it waits', async () => (await openLocks(directory)) === 2);
  await addTier(directory, volume, more, {});
  lock.release();
  await assert.rejects(
    checking,
    unusable(/its tiers were changed while this waited for it\. Try again/),
  );
  assert.deepEqual((await checkOffline(directory, [], false)).problems, []);
});

test('tiers change only while nobody uses the volume', async (context) => {
  const { directory, volume, more } = await make(context);
  const lock = await lockVolume(directory, null);
  const adding = addTierTo(directory, more, {});
  adding.catch(() => undefined);
  await waitFor('it waits', async () => (await openLocks(directory)) === 2);
  assert.deepEqual(await readVolume(directory), volume);
  lock.release();
  const { tiers, tier } = await adding;
  assert.deepEqual((await readVolume(directory)).tiers, tiers);
  assert.equal(tier?.name, 'more');
  assert.equal(await openLocks(directory), 0);
});

test('a directory that is no volume is left as it is', async (context) => {
  const { root, more } = await make(context);
  await assert.rejects(addTierTo(more.path, more, {}), unusable(/is not a Coral Reef volume/));
  assert.deepEqual(await readdir(join(root, 'more')), []);
});

test('a list says which disk is not there', async (context) => {
  const { root, directory } = await make(context);
  await rm(join(root, 'hdd'), { recursive: true });
  const { tiers, mountpoint } = await tiersOf(directory);
  assert.equal(mountpoint, null);
  assert.deepEqual(
    tiers.map(({ id, name, state }) => [id, name, state]),
    [
      [1, 'nvme', 'ok'],
      [2, 'hdd', 'missing'],
    ],
  );
  assert.match(tiers[1].problem ?? '', /hdd: the directory does not exist/);
  // Before the first mount there is nothing that could be lacking.
  await assert.rejects(
    changeTierOf(directory, 'hdd', { path: join(root, 'more') }),
    unusable(/has no marker/),
  );
});

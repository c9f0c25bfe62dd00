/** Boot order: the volume is mounted before the disks of its tiers are. Needs loop devices. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scenario, type TestVolume } from './harness.js';
import { must, run, waitFor } from '../../scripts/lib/process.js';
import { program } from './harness.js';

const LATE = { media: 'loop', mount: null } as const;

const removeDisk = (volume: TestVolume, tier: 'ssd' | 'hdd') => must('umount', [volume.tier(tier)]);

const insertDisk = (volume: TestVolume, tier: 'ssd' | 'hdd') =>
  must('mount', ['-o', 'loop', join(volume.root, `${tier}.img`), volume.tier(tier)]);

/** A mount that is under way. */
function mounting(volume: TestVolume, options: string, ...flags: string[]) {
  const args = ['mount', volume.path, volume.mountpoint, '-o', options, ...flags];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said += String(data)));
  return { child, ended, said: () => said };
}

const waits = (start: ReturnType<typeof mounting>) =>
  waitFor('it says what it waits for', () => start.said().includes('waiting up to'));

const isMounted = async (volume: TestVolume) =>
  (await run('mountpoint', ['-q', volume.mountpoint])).code === 0;

scenario('tiers whose disks come later are waited for, and used', LATE, async (volume) => {
  await removeDisk(volume, 'ssd');
  await removeDisk(volume, 'hdd');
  const start = mounting(volume, 'wait-for-tiers=2m');
  await waits(start);
  await insertDisk(volume, 'hdd');
  assert.equal(await isMounted(volume), false);
  await insertDisk(volume, 'ssd');
  assert.deepEqual(await start.ended, [0, null], start.said());
  assert.equal(start.said().match(/waiting/g)?.length, 1, 'said once');
  assert.match(start.said(), /waiting up to 2m: tier ssd: .*; tier hdd: /);
  await writeFile(volume.at('file'), 'kept');
  await volume.demote('file');
  assert.equal(await readFile(volume.at('file'), 'utf8'), 'kept');
  const { tiers } = await volume.status();
  assert.deepEqual(
    tiers.map(({ state }) => state),
    ['ok', 'ok', 'ok'],
  );
});

scenario('a tier that does not come is refused as without waiting', LATE, async (volume) => {
  await removeDisk(volume, 'hdd');
  const start = mounting(volume, 'wait-for-tiers=600ms');
  assert.deepEqual(await start.ended, [4, null]);
  assert.match(start.said(), /tier hdd: .* has lost its marker/);
  assert.equal(await isMounted(volume), false);
});

scenario('missing-tier=degraded serves the rest after the wait', LATE, async (volume) => {
  await removeDisk(volume, 'hdd');
  const start = mounting(volume, 'wait-for-tiers=600ms,missing-tier=degraded');
  assert.deepEqual(await start.ended, [0, null], start.said());
  await writeFile(volume.at('file'), 'on the tiers that are there');
  assert.equal((await volume.status()).tiers[2].state, 'missing');
});

scenario('nothing is said and nobody waits where all tiers are there', LATE, async (volume) => {
  const start = mounting(volume, 'wait-for-tiers=1h');
  assert.deepEqual(await start.ended, [0, null]);
  assert.equal(start.said(), '');
});

for (const [how, flags, code] of [
  ['in the background', [], 1],
  ['in the foreground', ['--foreground'], 0],
] as const) {
  scenario(`SIGTERM ends the wait ${how}, and the volume is free`, LATE, async (volume) => {
    await removeDisk(volume, 'hdd');
    const start = mounting(volume, 'wait-for-tiers=1h', ...flags);
    await waits(start);
    const second = await volume.run('mount', volume.path, volume.mountpoint);
    assert.match(second.stderr, /another Coral Reef process/);
    start.child.kill('SIGTERM');
    assert.deepEqual(await start.ended, [code, null], start.said());
    await insertDisk(volume, 'hdd');
    await volume.mount();
    await writeFile(volume.at('file'), 'x');
  });
}

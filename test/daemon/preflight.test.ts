/** What `mount` refuses before it writes anything, each in one line that names the thing. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CoralError, ExitCode } from '../../src/config/errors.js';
import { planMount } from '../../src/daemon/preflight.js';
import { createVolume } from '../../src/tiers/volume.js';

interface Place {
  root: string;
  volume: string;
  mountpoint: string;
}

async function place(context: TestContext): Promise<Place> {
  const root = mkdtempSync(join(tmpdir(), 'coral-reef-preflight-'));
  context.after(() => rmSync(root, { recursive: true }));
  for (const name of ['nvme', 'hdd', 'mnt']) mkdirSync(join(root, name));
  const tiers = ['nvme', 'hdd'].map((name) => ({ name, path: join(root, name) }));
  await createVolume(join(root, 'volume'), tiers);
  return { root, volume: join(root, 'volume'), mountpoint: join(root, 'mnt') };
}

async function refused(
  { volume, mountpoint }: Place,
  change: { volume?: string; mountpoint?: string; options?: string[] },
  exitCode: ExitCode,
  ...patterns: RegExp[]
): Promise<void> {
  const request = { volume, mountpoint, options: [], ...change };
  const before = readdirSync(volume);
  await assert.rejects(planMount(request), (error) => {
    assert.ok(error instanceof CoralError, String(error));
    assert.equal(error.exitCode, exitCode, error.message);
    assert.ok(!error.message.includes('\n'));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
  assert.deepEqual(readdirSync(volume), before);
}

test('a good request becomes a plan with real paths', async (context) => {
  const at = await place(context);
  symlinkSync(at.root, join(at.root, 'link'));
  const plan = await planMount({
    volume: join(at.root, 'link/volume'),
    mountpoint: join(at.root, 'link/mnt/'),
    options: ['ro,high=50'],
  });
  assert.equal(plan.directory, at.volume);
  assert.equal(plan.mountpoint, at.mountpoint);
  assert.equal(plan.settings.mount.readOnly, true);
  symlinkSync(at.mountpoint, join(at.root, 'shortcut'));
  const mountpoint = join(at.root, 'shortcut');
  const through = await planMount({ volume: at.volume, mountpoint, options: [] });
  assert.equal(through.mountpoint, at.mountpoint);
  assert.deepEqual(
    plan.volume.tiers.map((tier) => tier.name),
    ['nvme', 'hdd'],
  );
});

test('a wrong volume is refused', async (context) => {
  const at = await place(context);
  const none = join(at.root, 'none');
  await refused(at, { volume: none }, ExitCode.unusable, /none.*init/);
  await refused(at, { volume: join(at.root, 'hdd') }, ExitCode.unusable, /hdd.*volume\.json/);
  await refused(at, { volume: join(at.volume, 'volume.json') }, ExitCode.unusable, /directory/);
});

test('a wrong mount point is refused', async (context) => {
  const at = await place(context);
  const refuse = (name: string, ...patterns: RegExp[]) =>
    refused(at, { mountpoint: join(at.root, name) }, ExitCode.failed, ...patterns);
  await refuse('none', /none.*mkdir/);
  await refuse('none/below', /none\/below.*mkdir/);
  writeFileSync(join(at.root, 'file'), '');
  await refuse('file', /file.*not a directory/);
  await refuse('volume', /volume.*not empty/);
  mkdirSync(join(at.root, 'nvme/inside'));
  await refuse('nvme/inside', /inside tier nvme/);
  symlinkSync(join(at.root, 'nowhere'), join(at.root, 'link'));
  await refuse('link', /link.*does not exist/);
  await refused(at, { mountpoint: '/' }, ExitCode.failed, /^\//);
});

test('tiers that would be hidden below the mount are refused', async (context) => {
  const at = await place(context);
  const inside = join(at.mountpoint, 'tier');
  const options = [`tier.hdd=${inside}`];
  await refused(at, { options }, ExitCode.failed, /tier hdd/, /hidden/);
});

test('wrong options are refused', async (context) => {
  const at = await place(context);
  await refused(at, { options: ['hihg=50'] }, ExitCode.usage, /did you mean high\?/);
  await refused(at, { options: ['tape.high=50'] }, ExitCode.usage, /no tier "tape"/);
  await refused(at, { options: ['channel=fuse'] }, ExitCode.usage, /fuse-native/);
});

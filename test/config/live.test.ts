/** What a remount changes of a mount that serves: some settings at once, the others by a new mount only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoralError, ExitCode } from '../../src/config/errors.js';
import { liveChanges } from '../../src/config/live.js';
import { MS, flagsOf, withWords } from '../../src/config/mount-options.js';
import { parseMountinfo } from '../../src/config/mountinfo.js';
import { loadSettings } from '../../src/config/settings.js';
import type { Settings } from '../../src/config/types.js';

async function load(...options: string[]): Promise<Settings> {
  const sources = { options, environment: {}, defaultConfigFile: null, isRoot: true };
  return (await loadSettings(sources)).settings;
}

test('only what the new words change is written over the settings in use', async () => {
  const before = await load('policy=balanced,high=90');
  assert.deepEqual(
    liveChanges(before, await load('policy=balanced,high=90', 'high=90,noexec')),
    {},
  );
  const changes = liveChanges(before, await load('policy=balanced,high=90', 'policy=archive'));
  assert.equal(changes.policy, 'archive');
  assert.equal(changes.watermarks?.high, 90, 'said by name before');
  assert.equal(changes.promote, 'never');
  assert.ok(!('mount' in changes) && !('migrateRate' in changes));
});

test('what is fixed at mounting is refused by the name of its option', async () => {
  const cases: Record<string, string> = {
    'tier.nvme=/elsewhere': 'tier.NAME',
    'passthrough=off': 'passthrough',
    'channel=fuse-native': 'channel',
    'missing-tier=degraded': 'missing-tier',
    'wait-for-tiers=5s': 'wait-for-tiers',
  };
  for (const [option, name] of Object.entries(cases)) {
    const [before, after] = [await load(), await load(option)];
    assert.throws(
      () => liveChanges(before, after),
      (error) =>
        error instanceof CoralError &&
        error.exitCode === ExitCode.usage &&
        error.message.includes(`${name}=`),
      option,
    );
    assert.deepEqual(liveChanges(await load(option), await load(option, option)), {});
  }
});

test('the flags of a mount are read as a remount must name them', () => {
  const flags = (mount: string, sb: string) =>
    flagsOf(parseMountinfo(`1 2 0:3 / /m ${mount} - fuse.coral-reef /v ${sb}\n`)[0]);
  assert.equal(flags('rw,nosuid,relatime', 'rw,user_id=0'), MS.NOSUID | MS.RELATIME);
  assert.equal(flags('rw,noatime', 'ro,sync'), MS.RDONLY | MS.SYNCHRONOUS | MS.NOATIME);
  assert.equal(flags('ro,nodiratime', 'rw'), MS.RDONLY | MS.NODIRATIME | MS.STRICTATIME);
  assert.equal(
    withWords(flags('ro,noexec,relatime', 'ro'), ['rw', 'noatime']),
    MS.NOEXEC | MS.NOATIME,
  );
});

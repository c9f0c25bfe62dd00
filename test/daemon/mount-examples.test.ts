/** The files that people copy from mount-examples: they say what the program and systemd understand. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { loadSettings } from '../../src/config/settings.js';

const directory = fileURLToPath(new URL('../../../mount-examples/', import.meta.url));
const UNIT = 'coral\\x2dreef.mount';

const read = (name: string) => readFileSync(directory + name, 'utf8');

/** Refuses what `mount` would refuse. */
async function accepts(options: string): Promise<void> {
  const sources = { options: [options], environment: {}, defaultConfigFile: null, isRoot: true };
  assert.deepEqual((await loadSettings(sources)).warnings, []);
}

function value(unit: string, key: string): string {
  const line = read(unit)
    .split('\n')
    .find((one) => one.startsWith(`${key}=`));
  assert.ok(line !== undefined, `${unit} lacks ${key}=`);
  return line.slice(key.length + 1);
}

test('the fstab line has six fields and options that mount accepts', async () => {
  const lines = read('fstab')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(lines.length, 1);
  const fields = lines[0].split(/\s+/);
  assert.deepEqual(fields.slice(1, 3), ['/coral-reef', 'fuse.coral-reef']);
  assert.deepEqual(fields.slice(4), ['0', '0']);
  await accepts(fields[3]);
});

test('the mount unit is named after its mount point and has options that mount accepts', async () => {
  const escaped = value(UNIT, 'Where').slice(1).replaceAll('-', '\\x2d').replaceAll('/', '-');
  assert.equal(`${escaped}.mount`, UNIT);
  assert.equal(value(UNIT, 'Type'), 'fuse.coral-reef');
  await accepts(value(UNIT, 'Options'));
});

test('the service mounts in the foreground with options that mount accepts', async () => {
  const words = value('coral-reef.service', 'ExecStart').split(' ');
  assert.deepEqual(words.slice(1, 5), [
    'mount',
    '/var/lib/coral-reef',
    '/coral-reef',
    '--foreground',
  ]);
  assert.equal(words[5], '-o');
  await accepts(words[6]);
});

test('the timer starts the scrub of what is mounted', () => {
  const words = value('coral-reef-scrub.service', 'ExecStart').split(' ');
  assert.deepEqual(words.slice(1), ['scrub', '/coral-reef']);
  assert.equal(value('coral-reef-scrub.service', 'ConditionPathIsMountPoint'), '/coral-reef');
  assert.equal(value('coral-reef-scrub.timer', 'OnCalendar'), 'monthly');
});

test('the container gets the models read-only, and nothing where no volume is mounted', () => {
  const run = (mountpoint: string) =>
    spawnSync(`${directory}container-bind-mount`, ['image', 'command'], {
      env: { ...process.env, CONTAINER: 'echo', CORAL_REEF_MOUNTPOINT: mountpoint },
      encoding: 'utf8',
    });
  const mounted = run('/proc');
  assert.equal(mounted.status, 0, mounted.stderr);
  assert.match(mounted.stdout, /--volume \/proc\/models:\/models:ro,rslave image command/);
  const missing = run('/etc');
  assert.equal(missing.status, 3);
  assert.match(missing.stderr, /coral-reef mount VOLUME \/etc/);
});

/** Wrong input gets one clear line and the right exit code; nothing is written and nothing lost. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scenario, TIERS, type TestVolume } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, type Result } from '../../scripts/lib/process.js';

const USAGE = 2;
const NO_DAEMON = 3;
const UNUSABLE = 4;
const FAILED = 1;

/** One line on standard error that names every one of `names`, and nothing on standard output. */
function refused(result: Result, code: number | number[], ...names: (string | RegExp)[]): void {
  const text = result.stderr.trim();
  assert.ok([code].flat().includes(result.code ?? -1), `exit ${String(result.code)}: ${text}`);
  assert.equal(text.split('\n').length, 1, text);
  assert.doesNotMatch(text, /\bat .*:\d+:\d+/);
  assert.equal(result.stdout, '');
  for (const name of names) {
    assert.ok(
      typeof name === 'string' ? text.includes(name) : name.test(text),
      `${text} / ${String(name)}`,
    );
  }
}

/** Every path below the tiers with its size: what must not change. */
async function tierContents(volume: TestVolume): Promise<string> {
  const roots = TIERS.map((name) => volume.tier(name));
  return (await must('find', [...roots, '-printf', '%p %s\n'])).split('\n').sort().join('\n');
}

async function unchanged(volume: TestVolume, body: () => Promise<void>): Promise<void> {
  const before = await tierContents(volume);
  await body();
  assert.equal(await tierContents(volume), before);
}

const mountArgs = (volume: TestVolume, ...options: string[]) => [
  'mount',
  volume.path,
  volume.mountpoint,
  ...options.flatMap((option) => ['-o', option]),
];

/** A mounted volume with one file, unmounted again: what the refused commands must leave as it is. */
async function withFile(volume: TestVolume): Promise<string> {
  const sum = await put(volume.at('file'), noise(2 * MiB));
  await volume.unmount();
  return sum;
}

async function stillThere(volume: TestVolume, sum: string): Promise<void> {
  await volume.mount();
  assert.equal(await digestFile(volume.at('file')), sum);
}

scenario('init with a tier directory that does not exist', { mount: null }, async (volume) => {
  const path = join(volume.root, 'other');
  const missing = join(volume.root, 'nowhere');
  refused(await volume.run('init', path, '--tier', `nvme=${missing}`), UNUSABLE, missing);
  assert.ok(!(await readdir(volume.root)).includes('other'), 'no half volume is left');
});

scenario('init with a tier that belongs to another volume', { mount: null }, async (volume) => {
  await unchanged(volume, async () => {
    const path = join(volume.root, 'other');
    const tier = volume.tier('nvme');
    refused(await volume.run('init', path, '--tier', `nvme=${tier}`), UNUSABLE, tier);
  });
});

scenario('init over an existing volume', { mount: null }, async (volume) => {
  await mkdir(join(volume.root, 'fresh'));
  const result = await volume.run('init', volume.path, '--tier', `nvme=${volume.root}/fresh`);
  refused(result, [FAILED, UNUSABLE], volume.path);
  assert.deepEqual(await readdir(join(volume.root, 'fresh')), []);
});

scenario(
  'init with a size that is none, a medium that is none',
  { mount: null },
  async (volume) => {
    const fresh = join(volume.root, 'fresh');
    await mkdir(fresh);
    const init = (tier: string) => volume.run('init', join(volume.root, 'other'), '--tier', tier);
    refused(await init(`nvme=${fresh},capacity=10Q`), USAGE, '10Q', 'capacity');
    refused(await init(`nvme=${fresh},medium=tape`), USAGE, 'tape', /nvme.*ssd.*hdd/);
    refused(await init(`nvme=${fresh},colour=red`), USAGE, 'colour');
    refused(await init('nvme'), USAGE, 'nvme');
    refused(await volume.run('init', join(volume.root, 'other')), USAGE, '--tier');
    assert.deepEqual(await readdir(fresh), []);
  },
);

scenario('init with a tier on a Coral Reef mount', {}, async (volume) => {
  await mkdir(volume.at('inside'));
  const result = await volume.run(
    'init',
    `${volume.root}/other`,
    '--tier',
    `nvme=${volume.at('inside')}`,
  );
  refused(result, UNUSABLE, volume.at('inside'));
});

scenario('a tier that lies below the mount point', { mount: null }, async (volume) => {
  await unchanged(volume, async () => {
    const result = await volume.run('mount', volume.path, volume.tier('hdd'));
    refused(result, [FAILED, UNUSABLE], volume.tier('hdd'));
  });
});

scenario('mount with a tier whose directory is gone', {}, async (volume) => {
  const sum = await withFile(volume);
  await rename(volume.tier('ssd'), `${volume.root}/away`);
  refused(await volume.run(...mountArgs(volume)), UNUSABLE, 'ssd', volume.tier('ssd'));
  await rename(`${volume.root}/away`, volume.tier('ssd'));
  await stillThere(volume, sum);
});

scenario('mount with a tier that lost its marker', {}, async (volume) => {
  const sum = await withFile(volume);
  const marker = join(volume.tier('nvme'), '.coral-reef/tier.json');
  await rename(marker, `${volume.root}/marker`);
  await unchanged(volume, async () => {
    refused(await volume.run(...mountArgs(volume)), UNUSABLE, 'nvme', volume.tier('nvme'));
  });
  await rename(`${volume.root}/marker`, marker);
  await stillThere(volume, sum);
});

scenario('mount with the tier of another volume', {}, async (volume) => {
  const sum = await withFile(volume);
  const foreign = join(volume.root, 'foreign');
  await mkdir(foreign);
  await volume.must('init', join(volume.root, 'other'), '--tier', `nvme=${foreign}`);
  await unchanged(volume, async () => {
    refused(await volume.run(...mountArgs(volume, `tier.nvme=${foreign}`)), UNUSABLE, foreign);
  });
  await stillThere(volume, sum);
});

scenario('mount --fake refuses what the mount refuses', { mount: null }, async (volume) => {
  const options = ['tier.nvme=/nodir', `tier.nvme=${volume.tier('hdd')}`, 'missing-tier=degraded'];
  const fake = (...words: string[]) => volume.run(...mountArgs(volume, ...words), '--fake');
  assert.equal((await fake()).code, 0);
  const document = JSON.parse((await volume.run(...mountArgs(volume), '--fake', '--json')).stdout);
  assert.deepEqual(document, { mountpoint: volume.mountpoint, volume: volume.path, fake: true });
  refused(await fake(options[0]), UNUSABLE, 'nvme', '/nodir');
  refused(await fake(options[1]), UNUSABLE, 'nvme', volume.tier('hdd'));
  await rename(volume.tier('ssd'), `${volume.root}/away`);
  refused(await fake(), UNUSABLE, 'ssd', volume.tier('ssd'));
  assert.equal((await fake(options[2])).code, 0);
  await rename(`${volume.root}/away`, volume.tier('ssd'));
  assert.deepEqual(await readdir(volume.mountpoint), []);
  await volume.mount();
  const second = join(volume.root, 'second');
  await mkdir(second);
  refused(await volume.run('mount', volume.path, second, '--fake'), UNUSABLE, /mounted already/);
});

scenario('mount with a tier that is read-only', { media: 'loop' }, async (volume) => {
  const sum = await withFile(volume);
  await must('mount', ['-o', 'remount,ro', volume.tier('hdd')]);
  refused(await volume.run(...mountArgs(volume)), UNUSABLE, 'hdd', /read-only/i);
  await must('mount', ['-o', 'remount,rw', volume.tier('hdd')]);
  await stillThere(volume, sum);
});

scenario('a volume that is already mounted', {}, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB));
  const second = join(volume.root, 'second');
  await mkdir(second);
  refused(
    await volume.run('mount', volume.path, second),
    [FAILED, UNUSABLE],
    volume.path,
    /mounted/,
  );
  refused(
    await volume.run('mount', volume.path, volume.mountpoint),
    [FAILED, UNUSABLE],
    volume.mountpoint,
  );
  assert.equal(await digestFile(volume.at('file')), sum);
});

scenario('mount options that are wrong', { mount: null }, async (volume) => {
  const mount = (option: string) => volume.run(...mountArgs(volume, option));
  refused(await mount('colour=red'), USAGE, 'colour');
  refused(await mount('high=101'), USAGE, 'high', '101');
  refused(await mount('high=20,low=60'), USAGE, 'high', 'low');
  refused(await mount('migrate-rate=10Q'), USAGE, 'migrate-rate', '10Q');
  refused(await mount('cold-after=soon'), USAGE, 'cold-after', 'soon');
  refused(await mount('policy=fast'), USAGE, 'policy', 'fast', 'balanced');
  refused(await mount('promote=always'), USAGE, 'promote', 'always', 'heat');
  refused(await mount('tier.tape=/tmp'), [USAGE, UNUSABLE], 'tape');
  refused(await mount(`config=${volume.root}/none.yaml`), [USAGE, FAILED, UNUSABLE], 'none.yaml');
  assert.deepEqual(await readdir(volume.mountpoint), []);
});

scenario(
  'a mount point that is not empty, not a directory, not there',
  { mount: null },
  async (volume) => {
    const full = join(volume.root, 'full');
    await mkdir(join(full, 'something'), { recursive: true });
    refused(await volume.run('mount', volume.path, full), [FAILED, UNUSABLE], full, /empty/);
    const file = join(volume.root, 'a-file');
    await writeFile(file, '');
    refused(await volume.run('mount', volume.path, file), [FAILED, UNUSABLE], file, /directory/);
    const none = join(volume.root, 'none');
    refused(await volume.run('mount', volume.path, none), [FAILED, UNUSABLE], none);
  },
);

scenario(
  'a volume that is not there, or is none, or is of a later format',
  { mount: null },
  async (volume) => {
    const none = join(volume.root, 'none');
    refused(await volume.run('mount', none, volume.mountpoint), UNUSABLE, none);
    refused(
      await volume.run('mount', volume.tier('hdd'), volume.mountpoint),
      UNUSABLE,
      volume.tier('hdd'),
    );
    const file = join(volume.path, 'volume.json');
    await must('sed', ['-i', 's/"format": *[0-9]*/"format": 999/', file]);
    refused(await volume.run(...mountArgs(volume)), UNUSABLE, volume.path, '999');
  },
);

scenario('paths outside any mount, and mounts that are none', {}, async (volume) => {
  const outside = join(volume.root, 'outside');
  await writeFile(outside, '');
  for (const verb of ['where', 'explain', 'promote', 'demote', 'pin', 'unpin']) {
    refused(await volume.run(verb, outside), NO_DAEMON, outside);
  }
  refused(await volume.run('status', volume.root), NO_DAEMON, volume.root);
  refused(await volume.run('unmount', volume.root), NO_DAEMON, volume.root);
  refused(await volume.run('where', volume.at('none')), FAILED, volume.at('none'));
});

scenario('verbs and flags that are none', { mount: null }, async (volume) => {
  refused(await volume.run('frobnicate'), USAGE, 'frobnicate');
  refused(await volume.run('status', '--frobnicate'), USAGE, '--frobnicate');
  refused(await volume.run('mount', volume.path), USAGE, /MOUNTPOINT/i);
  refused(await volume.run('where'), USAGE, /PATH/i);
  const other = join(volume.root, 'other');
  refused(await volume.run('init', other, '--tier'), USAGE, /: --tier lacks its NAME=DIR/);
  refused(await volume.run('init', other, '--tier', '-x'), USAGE, /is written --tier=/);
  refused(await volume.run('status', '--json=yes'), USAGE, /: --json takes no value\. Usage/);
  refused(await volume.run('migration', 'foo'), USAGE, /"foo" is not allowed\. Allowed: status,/);
  assert.equal((await volume.run('--help')).code, 0);
});

scenario('rules that are wrong name the line', { mount: null }, async (volume) => {
  const file = join(volume.root, 'rules.yaml');
  await writeFile(file, 'rules:\n  - match: { path: "a/**" }\n    place: { tier: tape }\n');
  const result = await volume.run(...mountArgs(volume, `config=${file}`));
  refused(result, [USAGE, UNUSABLE], 'tape');
  await writeFile(file, 'rules:\n  - match: { colour: red }\n    place: { tier: nvme }\n');
  refused(await volume.run('policy', 'check', file), [USAGE, FAILED], 'colour', file);
  await rm(file);
  refused(await volume.run('policy', 'check', file), USAGE, file, /\. Name the file to check$/);
});

scenario('a check without one of the disks names it once', { mount: null }, async (volume) => {
  await rename(volume.tier('ssd'), `${volume.root}/away`);
  const { code, stdout } = await volume.run('fsck', volume.path, '-o', 'missing-tier=degraded');
  assert.equal(code, FAILED);
  assert.match(stdout, /^tier ssd: /m);
  assert.doesNotMatch(stdout, /tier ssd: tier ssd/);
});

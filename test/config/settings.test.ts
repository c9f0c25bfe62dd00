/** One Settings from command line, environment, file and preset; wrong words are refused by name. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CoralError, ExitCode } from '../../src/config/errors.js';
import { MS } from '../../src/config/mount-options.js';
import { joinOptions, splitOptions } from '../../src/config/option-list.js';
import { OPTIONS, writtenForm, type OptionSpec } from '../../src/config/option-table.js';
import { checkTierNames, loadSettings } from '../../src/config/settings.js';
import type { Settings } from '../../src/config/types.js';

interface Sources {
  o?: string[];
  env?: Record<string, string>;
  file?: string | null;
  isRoot?: boolean;
}

async function load({ o = [], env = {}, file = null, isRoot = true }: Sources): Promise<Settings> {
  const sources = { options: o, environment: env, defaultConfigFile: file, isRoot };
  return (await loadSettings(sources)).settings;
}

/** The message of the usage error that `sources` give; it is one line. */
async function refusal(sources: Sources): Promise<string> {
  try {
    await load(sources);
  } catch (error) {
    assert.ok(error instanceof CoralError, String(error));
    assert.equal(error.exitCode, ExitCode.usage);
    assert.ok(!error.message.includes('\n'), error.message);
    return error.message;
  }
  assert.fail(`accepted: ${JSON.stringify(sources)}`);
}

function yaml(context: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-config-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'reef.yaml');
  writeFileSync(path, text);
  return path;
}

test('without any option a volume is mounted with useful defaults', async () => {
  const settings = await load({});
  assert.equal(settings.policy, 'balanced');
  assert.ok(settings.watermarks.low < settings.watermarks.high);
  assert.equal(settings.migrateRate, Infinity);
  assert.equal(settings.missingTier, 'fail');
  assert.equal(settings.mount.readOnly, false);
  assert.deepEqual(settings.rules, []);
});

test('every option is read from the command line', async () => {
  const settings = await load({
    o: [
      'policy=archive,tier.nvme=/mnt/a,tier.hdd=/mnt/b,high=70,low=50,nvme.high=95,nvme.low=90',
      'promote=heat,settle=3s,cold-after=2h,half-life=1d,compress=zstd:3',
      'compress=hdd:zstd:9,compress=nvme:off,migrate-rate=100M,passthrough=off',
      'fragmentation=30,channel=fuse-native,missing-tier=degraded,wait-for-tiers=90s,log=debug',
    ],
  });
  assert.equal(settings.policy, 'archive');
  assert.deepEqual(settings.tierDirectories, { nvme: '/mnt/a', hdd: '/mnt/b' });
  assert.deepEqual(settings.watermarks, { high: 70, low: 50 });
  assert.deepEqual(settings.tierWatermarks, { nvme: { high: 95, low: 90 } });
  assert.equal(settings.promote, 'heat');
  assert.equal(settings.settleMs, 3000);
  assert.equal(settings.coldAfterMs, 7_200_000);
  assert.equal(settings.halfLifeMs, 86_400_000);
  assert.deepEqual(settings.compress, { kind: 'zstd', level: 3 });
  assert.deepEqual(settings.tierCompress, {
    hdd: { kind: 'zstd', level: 9 },
    nvme: { kind: 'off' },
  });
  assert.equal(settings.fragmentation, 30);
  assert.equal(settings.migrateRate, 100 * 1024 ** 2);
  assert.equal(settings.passthrough, 'off');
  assert.equal(settings.channel, 'fuse-native');
  assert.equal(settings.missingTier, 'degraded');
  assert.equal(settings.waitForTiersMs, 90_000);
  assert.equal(settings.log, 'debug');
});

test('command line wins over environment, environment over file, file over preset', async (context) => {
  const file = yaml(
    context,
    'policy: capacity\ncold-after: 1h\nsettle: 1s\nhalf-life: 1h\nnvme: { high: 90 }\n' +
      'compress: [auto, "hdd:zstd:9"]\n',
  );
  const settings = await load({
    o: [`config=${file},cold-after=3h,compress=ssd:off`],
    env: { CORAL_REEF_COLD_AFTER: '2h', CORAL_REEF_SETTLE: '2s', CORAL_REEF_TIER_HDD: '/mnt/hdd' },
  });
  assert.equal(settings.coldAfterMs, 3 * 3_600_000);
  assert.equal(settings.settleMs, 2000);
  assert.equal(settings.halfLifeMs, 3_600_000);
  assert.equal(settings.promote, 'heat', 'of the preset that the file names');
  assert.equal(settings.tierWatermarks['nvme'].high, 90);
  assert.deepEqual(Object.keys(settings.tierCompress).sort(), ['hdd', 'ssd']);
  assert.deepEqual(settings.tierDirectories, { hdd: '/mnt/hdd' });
  assert.equal(settings.configFile, file);
});

test('values that do not go together are named where they stand', async (context) => {
  const file = yaml(context, 'policy: capacity\nhigh: 50\nnvme: { high: 40 }\nhalf-life: 0\n');
  assert.ok((await refusal({ file })).includes(`${file}:4: half-life: 0: heat`));
  const o = ['half-life=1h,low=90'];
  assert.ok((await refusal({ file, o })).includes(`${file}:2: high: 50 and -o low=90: demotion`));
  const env = { CORAL_REEF_NVME_LOW: '45' };
  const both = `${file}:3: nvme.high: 40 and CORAL_REEF_NVME_LOW=45: demotion`;
  assert.ok((await refusal({ file, o: ['half-life=1h'], env })).includes(both));
});

test('a file beside the volume is read without being named; one that is named must exist', async (context) => {
  const file = yaml(context, 'cold-after: 5m\n');
  assert.equal((await load({ file })).coldAfterMs, 300_000);
  assert.equal((await load({ file: `${file}.none` })).configFile, null);
  assert.match(await refusal({ o: [`config=${file}.none`] }), /reef\.yaml\.none.*does not exist/);
  assert.equal((await load({ env: { CORAL_REEF_CONFIG: file } })).coldAfterMs, 300_000);
});

test('a wrong value names the option, the value and what is allowed', async () => {
  const cases: [string, ...RegExp[]][] = [
    ['cold-after=10Q', /cold-after=10Q/, /"10Q"/, /30s/],
    ['migrate-rate=10Q', /migrate-rate/, /"10Q"/, /unlimited/],
    ['high=101', /high=101/, /1 to 99/],
    ['nvme.high=x', /nvme\.high/, /"x"/, /1 to 99/],
    ['policy=fast', /policy/, /"fast"/, /balanced, latency, capacity, archive/],
    ['promote=always', /open, heat, never/],
    ['compress=zstd:99', /compress/, /"zstd:99"/, /1 to 19/],
    ['compress=hdd:lz4', /"hdd:lz4"/, /zstd:N/],
    ['compress=gzip', /"gzip"/],
    ['fragmentation=0', /"0"/, /1 to 99/, /off/],
    ['passthrough=on', /auto, off/],
    ['high=20,low=60', /high/, /low/],
    ['half-life=0', /half-life/],
    ['wait-for-tiers=soon', /wait-for-tiers/, /"soon"/, /30s/],
    ['policy', /policy/, /balanced/],
    ['tier.nvme=', /tier\.nvme/],
    ['tier.=/x', /tier/],
    ['tier.au to=/x', /"au to"/],
    ['auto.high=5', /"auto"/],
  ];
  for (const [option, ...patterns] of cases) {
    const message = await refusal({ o: [option] });
    for (const pattern of patterns) assert.match(message, pattern, option);
  }
});

test('an unknown option is refused by name, with the one that was probably meant', async () => {
  assert.match(await refusal({ o: ['polcy=balanced'] }), /"polcy".*did you mean policy\?/);
  assert.match(await refusal({ o: ['cold_after=1h'] }), /did you mean cold-after\?/);
  assert.match(await refusal({ o: ['nvme.hihg=90'] }), /did you mean nvme\.high\?/);
  assert.match(await refusal({ o: ['noatim'] }), /did you mean noatime\?/);
  assert.match(await refusal({ o: ['teir.nvme=/x'] }), /did you mean tier\.nvme\?/);
  assert.match(await refusal({ o: ['ro=1'] }), /"ro" is an option of mount\(8\): give it as -o ro/);
  const stranger = await refusal({ o: ['colour=red'] });
  assert.match(stranger, /"colour"/);
  assert.doesNotMatch(stranger, /did you mean/);
  assert.match(await refusal({ o: ['__proto__=1'] }), /__proto__/);
  assert.match(await refusal({ o: ['constructor'] }), /constructor/);
});

test('a wrong value in the environment names the variable', async () => {
  assert.match(await refusal({ env: { CORAL_REEF_HIGH: 'x' } }), /CORAL_REEF_HIGH=x/);
});

test('a variable that is no setting is told, and does not keep the volume from being mounted', async () => {
  const environment = {
    CORAL_REEF_COLD_AFTR: '1h',
    CORAL_REEF_VOLUME: '/x',
    CORAL_REEF_TEST_A: '',
  };
  const sources = { options: [], environment, defaultConfigFile: null, isRoot: true };
  const { warnings } = await loadSettings(sources);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /CORAL_REEF_COLD_AFTR.*did you mean CORAL_REEF_COLD_AFTER\?/);
});

test('the options of every filesystem become flags of mount(2)', async () => {
  const flags = async (o: string) => (await load({ o: [o] })).mount.flags;
  assert.equal(await flags(''), MS.NOSUID | MS.NODEV);
  assert.equal(await flags('rw,suid,dev'), 0);
  assert.equal(await flags('ro,suid,dev'), MS.RDONLY);
  assert.equal(
    await flags('suid,dev,noexec,sync,dirsync'),
    MS.NOEXEC | MS.SYNCHRONOUS | MS.DIRSYNC,
  );
  assert.equal(await flags('suid,dev,relatime,noatime'), MS.NOATIME);
  assert.equal(await flags('suid,dev,noatime,relatime,nodiratime'), MS.RELATIME | MS.NODIRATIME);
  assert.equal(await flags('suid,dev,nosymfollow'), MS.NOSYMFOLLOW);
  assert.equal((await load({ o: ['ro'] })).mount.readOnly, true);
  assert.equal((await load({ o: ['ro,rw'] })).mount.readOnly, false);
});

test('words for mount(8), fstab and systemd are accepted and mean nothing', async () => {
  const words =
    'auto,noauto,user,users,nofail,_netdev,defaults,x-systemd.requires-mounts-for=/mnt/nvme,' +
    'X-mount.mkdir,comment=mine,default_permissions,async,exec,atime';
  assert.deepEqual((await load({ o: [words] })).mount, (await load({})).mount);
});

test('what root mounts is for everybody, what a user mounts only where he says so', async () => {
  assert.equal((await load({})).mount.allowOther, true);
  assert.equal((await load({ o: ['noallow_other'] })).mount.allowOther, false);
  assert.equal((await load({ isRoot: false })).mount.allowOther, false);
  assert.equal((await load({ isRoot: false, o: ['allow_other'] })).mount.allowOther, true);
});

test('labels of SELinux reach the kernel as they were written', async () => {
  const label = 'context="system_u:object_r:tmp_t:s0:c127,c456"';
  assert.deepEqual((await load({ o: [`${label},rootcontext=a_u:b_r:c_t:s0,ro`] })).mount.contexts, [
    label,
    'rootcontext=a_u:b_r:c_t:s0',
  ]);
  assert.match(await refusal({ o: ['tier.a="x,y"'] }), /y"/);
});

test('a mount goes with its daemon only where that is asked for', async () => {
  assert.equal((await load({})).mount.autoUnmount, false);
  assert.equal((await load({ o: ['auto_unmount'] })).mount.autoUnmount, true);
});

test('a comma in a path can be written', async () => {
  assert.deepEqual(splitOptions('a=1,b=x\\,y,,c'), ['a=1', 'b=x,y', 'c']);
  assert.deepEqual(splitOptions('tier.a=/back\\\\slash'), ['tier.a=/back\\slash']);
  assert.deepEqual(splitOptions(joinOptions(['a=x,y', 'b=\\', 'ro'])), ['a=x,y', 'b=\\', 'ro']);
  assert.equal((await load({ o: ['tier.nvme=/mnt/a\\,b'] })).tierDirectories['nvme'], '/mnt/a,b');
});

test('one watermark alone draws the other along', async () => {
  assert.deepEqual((await load({ o: ['high=40'] })).watermarks, { high: 40, low: 30 });
  assert.deepEqual((await load({ o: ['low=90'] })).watermarks, { high: 99, low: 90 });
  assert.deepEqual((await load({ o: ['nvme.high=20'] })).tierWatermarks['nvme'], {
    high: 20,
    low: 10,
  });
  for (let high = 1; high <= 99; high += 1) {
    const marks = (await load({ o: [`high=${high}`] })).watermarks;
    assert.ok(marks.low < marks.high && marks.high === high, JSON.stringify(marks));
  }
});

test('a tier that the volume does not have is refused wherever it is named', async (context) => {
  const file = yaml(context, 'rules:\n  - match: {}\n    place: { tier: tape }\n');
  const tiers = ['nvme', 'hdd'];
  for (const option of ['tier.tape=/x', 'tape.high=50', 'compress=tape:off', `config=${file}`]) {
    const settings = await load({ o: [option] });
    assert.throws(() => checkTierNames(settings, tiers), /no tier "tape".*nvme, hdd/);
  }
  const mistyped = await load({ o: ['nvm.high=50'] });
  assert.throws(() => checkTierNames(mistyped, tiers), /did you mean nvme\?/);
  checkTierNames(await load({ o: ['nvme.high=50,tier.hdd=/x'] }), tiers);
});

test('every row of the option table has a name, a value and a help text', () => {
  const forms = Object.values(OPTIONS).map((spec: OptionSpec) => {
    assert.ok(spec.help.length > 10 && spec.value !== '', spec.name);
    return writtenForm(spec);
  });
  assert.equal(new Set(forms).size, forms.length);
  assert.ok(forms.includes('tier.NAME=DIR') && forms.includes('NAME.high=PCT'));
});

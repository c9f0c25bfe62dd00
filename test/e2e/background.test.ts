/** What happens by itself: cold files go down, opened ones come up, pinned ones stay, full tiers drain. */
import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { scenario } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const COLD = ['settle=500ms', 'cold-after=2s', 'half-life=1s'];

scenario(
  'a file that nobody opens goes down by itself, a pinned one stays',
  { mount: COLD },
  async (volume) => {
    const sum = await put(volume.at('models/base/left'), noise(4 * MiB));
    const kept = await put(volume.at('models/base/kept'), noise(4 * MiB, 2));
    await volume.must('pin', volume.at('models/base/kept'), '--to', 'nvme');
    await volume.waitUntil('models/base/left', { form: 'packed', tier: 'hdd' });
    await sleep(3000);
    const row = await volume.where('models/base/kept');
    assert.deepEqual([row.tier, row.form, row.pinned], ['nvme', 'plain', 'nvme']);
    assert.equal(await digestFile(volume.at('models/base/left')), sum);
    assert.equal(await digestFile(volume.at('models/base/kept')), kept);
    await volume.must('unpin', volume.at('models/base/kept'));
    await volume.waitUntil('models/base/kept', { form: 'packed', pinned: null });
  },
);

scenario('a pinned directory keeps what is put into it later', { mount: COLD }, async (volume) => {
  await put(volume.at('vectors/first'), noise(MiB));
  await must('setfattr', ['-n', 'user.coral-reef.pin', '-v', 'ssd', volume.at('vectors')]);
  await volume.waitUntil('vectors/first', { tier: 'ssd', form: 'plain' });
  await put(volume.at('vectors/second'), noise(MiB, 2));
  await put(volume.at('models/other'), noise(MiB, 3));
  await volume.waitUntil('models/other', { form: 'packed' });
  await volume.waitUntil('vectors/second', { tier: 'ssd', form: 'plain' });
});

scenario(
  'an opened packed file is served at once and comes up',
  { mount: ['promote=open', 'cold-after=1h'] },
  async (volume) => {
    const sum = await put(volume.at('models/base/m.bin'), noise(8 * MiB));
    await volume.demote('models/base/m.bin');
    assert.equal(await digestFile(volume.at('models/base/m.bin')), sum);
    await volume.waitUntil('models/base/m.bin', { form: 'plain', tier: 'nvme' });
    assert.equal(await digestFile(volume.at('models/base/m.bin')), sum);
  },
);

scenario(
  'with promote=never an opened file stays where it is',
  { mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const sum = await put(volume.at('models/base/m.bin'), noise(2 * MiB));
    await volume.demote('models/base/m.bin');
    assert.equal(await digestFile(volume.at('models/base/m.bin')), sum);
    await sleep(2000);
    assert.equal((await volume.where('models/base/m.bin')).form, 'packed');
  },
);

scenario(
  'above the high watermark the coldest files go first',
  {
    capacity: { nvme: '64MiB' },
    mount: ['settle=500ms', 'cold-after=1h', 'high=70', 'low=40', 'promote=never'],
  },
  async (volume) => {
    const name = (index: number) => `models/base/file-${String(index)}`;
    for (let index = 0; index < 5; index++) {
      await put(volume.at(name(index)), noise(8 * MiB, index));
      await sleep(200);
    }
    // The two oldest are used again: others are colder now.
    for (const index of [0, 1, 0, 1]) await digestFile(volume.at(name(index)));
    await put(volume.at(name(5)), noise(8 * MiB, 5));
    await volume.waitUntil(name(2), { form: 'packed' });
    await waitFor('the fast tier is below the low watermark', async () => {
      const { used, capacity } = (await volume.status()).tiers[0];
      return used <= capacity * 0.41;
    });
    assert.equal((await volume.where(name(0))).form, 'plain');
    assert.equal((await volume.where(name(1))).form, 'plain');
  },
);

scenario(
  'asking about a file is no use of it: stat, ls and where do not keep it warm',
  { mount: COLD },
  async (volume) => {
    await put(volume.at('data/documents/report.txt'), noise(MiB));
    await waitFor('it goes down while being looked at', async () => {
      await access(volume.at('data/documents/report.txt'));
      await must('ls', ['-l', volume.at('data/documents')]);
      return (await volume.where('data/documents/report.txt')).form === 'packed';
    });
  },
);

scenario(
  'a full fast tier loses nothing: the next tier takes what comes',
  {
    capacity: { nvme: '16MiB', ssd: '64MiB' },
    mount: ['high=99', 'low=98', 'cold-after=1h'],
  },
  async (volume) => {
    const sums = new Map<string, string>();
    for (let index = 0; index < 6; index++) {
      const name = `models/base/part-${String(index)}`;
      sums.set(name, await put(volume.at(name), noise(6 * MiB, index)));
    }
    const tiers = await Promise.all(
      [...sums.keys()].map(async (name) => (await volume.where(name)).tier),
    );
    assert.ok(tiers.includes('ssd') || tiers.includes('hdd'), tiers.join(' '));
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum);
    await volume.remount();
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum);
  },
);

/** What `where` says of a directory: the files below it, together. */
import assert from 'node:assert/strict';
import { link, mkdir, open, rm, symlink, writeFile } from 'node:fs/promises';
import { must } from '../../scripts/lib/process.js';
import { MiB, noise, put } from './content.js';
import { scenario, type TestVolume, type Where } from './harness.js';

interface Directory extends Omit<Where, 'tier' | 'form' | 'class'> {
  tier: string | null;
  form: string | null;
  class: string | null;
  type: string;
  packedTier: string | null;
  open: boolean;
  lastOpened: string | null;
  files: number;
  tiers: { name: string; files: number; size: number; plainBytes: number; packedBytes: number }[];
}

const below = (volume: TestVolume, path: string): Promise<Directory> =>
  volume.json<Directory>('where', volume.at(path));

scenario(
  'a directory is summed up: what its files take, what others use too, and on which tiers',
  {},
  async (volume) => {
    const [base, own] = [noise(4 * MiB, 1), noise(2 * MiB, 2)];
    await put(volume.at('tree/plain/a'), own);
    await put(volume.at('tree/packed/b'), base);
    await put(volume.at('tree/packed/c'), Buffer.concat([base, own]));
    await put(volume.at('elsewhere'), own);
    await writeFile(volume.at('tree/empty'), '');
    await symlink('plain/a', volume.at('tree/link'));
    await link(volume.at('tree/plain/a'), volume.at('tree/a-again'));
    for (const path of ['tree/packed', 'elsewhere']) await volume.demote(path);

    const tree = await below(volume, 'tree');
    assert.equal(tree.type, 'directory');
    assert.equal(tree.files, 4);
    assert.equal(tree.size, 12 * MiB);
    assert.deepEqual([tree.tier, tree.form, tree.class], [null, null, 'other']);
    // Plain: a once. Packed: what b and c have in common once, and of c what elsewhere has too.
    const [nvme, hdd, ...others] = tree.tiers;
    assert.deepEqual(others, []);
    assert.deepEqual([nvme.name, nvme.size, nvme.packedBytes], ['nvme', 2 * MiB, 0]);
    assert.deepEqual([hdd.name, hdd.files, hdd.size, hdd.plainBytes], ['hdd', 2, 10 * MiB, 0]);
    assert.equal(nvme.plainBytes + hdd.packedBytes, tree.storedBytes);
    assert.ok(hdd.packedBytes > 5.9 * MiB && hdd.packedBytes < 6.3 * MiB, `${hdd.packedBytes}`);
    assert.ok(tree.sharedBytes > 1.5 * MiB && tree.sharedBytes < 2.1 * MiB);

    const table = await volume.must('where', volume.at('tree'), volume.at('elsewhere'));
    assert.match(table, /^TIER +FORM .*HEAT +FILES +SIZE .*PATH$/m);
    assert.match(table, /^mixed +mixed +other .* 4 +12\.0 MiB .*\/tree$/m);
    assert.match(table, /\/tree, by tier:\nTIER +FILES +SIZE +PLAIN +PACKED\nnvme .*\nhdd +2 /);
    assert.doesNotMatch(await volume.must('where', volume.at('elsewhere')), /FILES/);

    const freed = tree.storedBytes - tree.sharedBytes;
    const used = async () =>
      (await volume.status()).savings.storedBytes + (await below(volume, '.')).tiers[0].plainBytes;
    const before = await used();
    await rm(volume.at('tree'), { recursive: true });
    await volume.must('gc', volume.mountpoint);
    assert.equal(before - (await used()), freed);
  },
);

scenario(
  'a directory whose files agree shows what they are, as a file does',
  {},
  async (volume) => {
    await put(volume.at('models/base/m/one.bin'), noise(MiB, 1));
    await put(volume.at('models/base/m/two.bin'), noise(MiB, 2));
    const plain = await below(volume, 'models');
    assert.deepEqual([plain.tier, plain.form, plain.temperature], ['nvme', 'plain', 'HOT']);
    await volume.demote('models');
    const { tier, form, files, packedTier, ...packed } = await below(volume, 'models/base');
    assert.deepEqual(
      { tier, form, files, packedTier },
      { tier: 'hdd', form: 'packed', files: 2, packedTier: 'hdd' },
    );
    assert.equal(packed.class, (await volume.where('models/base/m/one.bin')).class);
    const each = [
      await volume.where('models/base/m/one.bin'),
      await volume.where('models/base/m/two.bin'),
    ];
    assert.equal(packed.storedBytes, each[0].storedBytes + each[1].storedBytes);
    assert.equal(packed.sharedBytes, 0);
    assert.doesNotMatch(await volume.must('where', volume.at('models')), /by tier/);
    await volume.must('pin', volume.at('models'), '--to', 'ssd');
    assert.equal((await below(volume, 'models/base')).pinned, 'ssd');

    await mkdir(volume.at('empty'));
    const empty = await below(volume, 'empty');
    assert.deepEqual([empty.files, empty.size, empty.tiers], [0, 0, []]);
    assert.match(await volume.must('where', volume.at('empty')), /^- +directory +- +- +- +0 /m);
  },
);

scenario(
  'a file that is being written counts with the size that it has by now',
  {},
  async (volume) => {
    await mkdir(volume.at('d'));
    const file = await open(volume.at('d/file'), 'w');
    await file.write(noise(3 * MiB));
    const directory = await below(volume, 'd');
    assert.deepEqual([directory.size, directory.open, directory.files], [3 * MiB, true, 1]);
    await file.close();
    assert.equal((await below(volume, 'd')).open, false);
  },
);

scenario(
  'blocks that plain files share are shared for their directory too',
  { media: 'xfs', mount: ['share=off'] },
  async (volume) => {
    await put(volume.at('d/one'), noise(8 * MiB));
    await must('cp', [volume.at('d/one'), volume.at('d/two')]);
    const one = await volume.where('d/one');
    const both = await below(volume, 'd');
    assert.equal(one.sharedBytes, 8 * MiB);
    assert.equal(both.sharedBytes, 16 * MiB);
    assert.ok(both.storedBytes >= both.sharedBytes);
  },
);

/** `import`: what people bring into a volume is packed as it was, and nothing of it needs room on the fast tier. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, waitFor } from '../../scripts/lib/process.js';
import { ask } from '../../src/daemon/client.js';
import type { CopyDocument, ImportAnswer, ImportedFile } from '../../src/daemon/documents.js';
import { isSparse, makeHardTree, sameForRsync, sameTree } from './carried-tree.js';
import { digest, digestFile, MiB, noise, prose, put } from './content.js';
import { exists, program, scenario, type TestVolume } from './harness.js';

const STILL = { mount: ['promote=never', 'cold-after=1h'] };

/** A directory beside the mount to import from. */
const outside = (volume: TestVolume, ...parts: string[]): string =>
  join(volume.root, 'source', ...parts);

async function sound(volume: TestVolume): Promise<void> {
  assert.match(await volume.must('fsck'), /nothing is wrong/);
  assert.match(await volume.must('scrub'), /nothing is wrong/);
}

scenario(
  'a tree is in as it was outside, packed, and survives a crash of the daemon at once',
  STILL,
  async (volume) => {
    await makeHardTree(outside(volume));
    await volume.must('import', outside(volume), volume.mountpoint);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount(STILL.mount);
    await sameTree(outside(volume), volume.at('source'));
    await isSparse(volume.at('source/models/sparse'));
    const hard = await stat(volume.at('source/hard'));
    assert.equal(hard.ino, (await stat(volume.at('source/folder-1/hard-too'))).ino);
    const { form, tier } = await volume.where('source/models/large.bin');
    assert.deepEqual([form, tier], ['packed', 'hdd']);
    // Names that are not UTF-8.
    assert.ok((await volume.status()).tiers[0].plainBytes < 100_000);
    await sound(volume);
    await volume.remount(STILL.mount);
    await sameTree(outside(volume), volume.at('source'));
  },
);

scenario(
  'far more than the fast tier holds comes in, onto the tier that was asked for',
  { ...STILL, capacity: { nvme: '64MiB' } },
  async (volume) => {
    const sums = new Map<string, string>();
    for (let i = 0; i < 4; i++) {
      sums.set(`large-${i}`, await put(outside(volume, `large-${i}`), noise(40 * MiB, i)));
    }
    for (let i = 0; i < 300; i++) {
      sums.set(`d${i % 9}/${i}`, await put(outside(volume, `d${i % 9}/${i}`), noise(90_000, i)));
    }
    await mkdir(volume.at('in'));
    const source = `${outside(volume)}/.`;
    const args = ['import', source, volume.at('in'), '--to', 'ssd'];
    const document = await volume.json<CopyDocument>(...args);
    assert.deepEqual([document.files, document.failed], [304, []]);
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at('in', name)), sum);
    const { tier, form } = await volume.where('in/large-3');
    assert.deepEqual([tier, form], ['ssd', 'packed']);
    // The same once more costs next to nothing.
    await mkdir(volume.at('again'));
    const before = await volume.tierBytes('ssd');
    await volume.must('import', source, volume.at('again'), '--to', 'ssd');
    assert.ok((await volume.tierBytes('ssd')) - before < MiB);
    await sound(volume);
  },
);

scenario(
  'databases, pinned folders and empty files come in plain, by name or by content',
  STILL,
  async (volume) => {
    await must('sqlite3', [join(volume.root, 'db'), 'create table t(a); insert into t values(42)']);
    await put(outside(volume, 'by-content'), await readFile(join(volume.root, 'db')));
    await put(
      outside(volume, 'large-by-content'),
      Buffer.concat([await readFile(join(volume.root, 'db')), noise(3 * MiB)]),
    );
    await put(outside(volume, 'by-name.sqlite'), noise(5000));
    await put(outside(volume, 'text'), prose(5000));
    await put(outside(volume, 'empty'), Buffer.alloc(0));
    await volume.must('import', outside(volume), volume.mountpoint);
    const forms: Record<string, string> = {};
    for (const name of await readdir(volume.at('source'))) {
      const { form, tier } = await volume.where(`source/${name}`);
      forms[name] = `${form} ${tier}`;
    }
    assert.deepEqual(forms, {
      'by-content': 'plain nvme',
      'by-name.sqlite': 'plain nvme',
      'large-by-content': 'plain nvme',
      empty: 'plain nvme',
      text: 'packed hdd',
    });
    const query = [volume.at('source/by-content'), 'select a from t'];
    assert.equal(await must('sqlite3', query), '42\n');

    await mkdir(volume.at('pinned'));
    await volume.must('pin', volume.at('pinned'), '--to', 'ssd');
    await volume.must('import', outside(volume, 'text'), volume.at('pinned'));
    const { form, tier } = await volume.where('pinned/text');
    assert.deepEqual([form, tier], ['plain', 'ssd']);
    await sameForRsync(outside(volume), volume.at('source'));
  },
);

scenario(
  'a name that was looked for before is found, and so is what a listing did not have',
  STILL,
  async (volume) => {
    await mkdir(volume.at('in'));
    for (let i = 0; i < 20; i++) {
      const [name, data] = [`f${i}`, noise(3000, i)];
      assert.equal(await exists(volume.at('in', name)), false);
      assert.equal((await readdir(volume.at('in'))).length, i);
      await put(outside(volume, name), data);
      await volume.must('import', outside(volume, name), volume.at('in'));
      assert.deepEqual(await readFile(volume.at('in', name)), data);
      assert.equal((await readdir(volume.at('in'))).length, i + 1);
    }
    // It is a file like any other.
    await writeFile(volume.at('in/f0'), 'written');
    assert.equal(await readFile(volume.at('in/f0'), 'utf8'), 'written');
    await rm(volume.at('in'), { recursive: true });
    await volume.must('gc');
    await sound(volume);
  },
);

scenario(
  'what is there already is left, the same is skipped, and another one is named',
  STILL,
  async (volume) => {
    for (const name of ['a', 'b', 'c/d']) await put(outside(volume, name), noise(5000));
    await put(volume.at('source/b'), Buffer.from('mine'));
    const first = await volume.run('import', '--json', outside(volume), volume.mountpoint);
    assert.equal(first.code, 1);
    const { files, failed } = JSON.parse(first.stdout) as CopyDocument;
    assert.equal(files, 2);
    assert.deepEqual(
      failed.map(({ path }) => path),
      [outside(volume, 'b')],
    );
    assert.match(
      first.stderr,
      /b exists and is another one\. Remove it, or import to another place/,
    );
    assert.equal(await readFile(volume.at('source/b'), 'utf8'), 'mine');
    await rm(volume.at('source/b'));
    const again = await volume.json<CopyDocument>('import', outside(volume), volume.mountpoint);
    assert.deepEqual([again.files, again.skipped, again.failed], [1, 2, []]);
    await sameTree(outside(volume), volume.at('source'));
  },
);

scenario(
  'Ctrl-C or the end of the daemon leaves whole files only, and the same command ends the work',
  STILL,
  async (volume) => {
    for (let i = 0; i < 400; i++) await put(outside(volume, `${i % 7}/${i}`), noise(300_000, i));
    await put(outside(volume, 'large'), noise(200 * MiB));
    const attempts = {
      interrupt: (pid: number) => Promise.resolve(void process.kill(pid, 'SIGINT')),
      kill: () => volume.killDaemon(),
    };
    for (const [name, disturb] of Object.entries(attempts)) {
      const child = spawn(program, ['import', outside(volume), volume.mountpoint], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (data: Buffer) => (said += String(data)));
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      const there = name === 'interrupt' ? 8 : 150;
      await waitFor('some files are there', async () => {
        const names = await readdir(volume.at('source'), { recursive: true }).catch(() => []);
        return names.length > there;
      });
      await disturb(child.pid!);
      assert.notEqual(await ended, 0, said);
      if (name === 'interrupt') {
        const [, count] = /stopped; (\d+) files? imported so far/.exec(said) ?? assert.fail(said);
        // What waited for its turn is not begun any more.
        assert.ok(Number(count) < 200, said);
      }
      if (name === 'kill') {
        await volume.removeDeadMount();
        await volume.mount(STILL.mount);
      }
      for (const path of await readdir(volume.at('source'), { recursive: true })) {
        const facts = await stat(volume.at('source', path));
        if (!facts.isFile()) continue;
        assert.equal(
          await digestFile(volume.at('source', path)),
          await digestFile(outside(volume, path)),
        );
      }
    }
    const { skipped, files } = await volume.json<CopyDocument>(
      'import',
      outside(volume),
      volume.mountpoint,
    );
    assert.equal(skipped + files, 401);
    assert.equal(await digestFile(volume.at('source/large')), digest(noise(200 * MiB)));
    await sameTree(outside(volume), volume.at('source'));
    await volume.must('gc');
    await sound(volume);
  },
);

scenario(
  'a packed file appears with its attributes, and not before: its client may be killed at any time',
  STILL,
  async (volume) => {
    const files: ImportedFile[] = [];
    for (const [name, bytes] of [
      ['small', 5000],
      ['large', 2 * MiB],
    ] as const) {
      const source = outside(volume, name);
      await put(source, noise(bytes));
      await must('setfattr', ['-n', 'user.note', '-v', 'kept', source]);
      await must('setfattr', ['-n', 'trusted.note', '-v', '0x00ff', source]);
      await must('setfacl', ['-m', 'u:12345:rw,g::-', source]);
      const { dev, ino, size, mode, uid, gid, mtimeNs } = await stat(source, { bigint: true });
      const [mtimeSec, mtimeNsec] = [mtimeNs / 1_000_000_000n, mtimeNs % 1_000_000_000n];
      const numbers = { dev, ino, size, mode: mode & 0o7777n, uid, gid, mtimeSec, mtimeNsec };
      files.push({
        ...(Object.fromEntries(
          Object.entries(numbers).map(([key, value]) => [key, Number(value)]),
        ) as Record<keyof typeof numbers, number>),
        ...{ source, path: `/${name}`, atimeSec: 1, atimeNsec: 0 },
      });
    }
    // What a client asks for; it does nothing with the answer.
    const gone = { ...files[0], path: '/removed/meanwhile' };
    const answer = await ask(volume.path, volume.mountpoint, 'import', {
      to: null,
      files: [gone, ...files],
    });
    const states = (answer as ImportAnswer).files.map(({ state }) => state);
    assert.deepEqual(states, ['left', 'packed', 'packed']);
    for (const { source, path } of files) {
      const args = ['--omit-header', '--absolute-names'];
      const acl = (file: string) => must('getfacl', [...args, file]);
      assert.equal(await acl(volume.at(path.slice(1))), await acl(source));
      const xattrs = async (file: string) =>
        (await must('getfattr', ['-d', '-m', '^(user|trusted)', file])).split('\n').slice(1);
      assert.deepEqual(await xattrs(volume.at(path.slice(1))), await xattrs(source));
    }
  },
);

scenario(
  'a full tier ends it with what to do, and it is gone on with',
  { ...STILL, capacity: { hdd: '48MiB' } },
  async (volume) => {
    for (let i = 0; i < 40; i++) await put(outside(volume, `${i}`), noise(2 * MiB, i));
    const result = await volume.run('import', outside(volume), volume.mountpoint);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /tier hdd.* (is full|bytes free).*imported so far .* whole/);
    for (const name of await readdir(volume.at('source'))) {
      assert.equal(
        await digestFile(volume.at('source', name)),
        digest(noise(2 * MiB, Number(name))),
      );
    }
    await volume.must('import', outside(volume), volume.mountpoint, '--to', 'ssd');
    await sameTree(outside(volume), volume.at('source'));
    await sound(volume);
  },
);

scenario(
  'paths may be as long as paths can be, of whatever bytes, and a mount in the volume is not gone below',
  STILL,
  async (volume) => {
    const folder = Array.from({ length: 14 }, () => '\x01'.repeat(250)).join('/');
    for (let i = 0; i < 250; i++) {
      await put(outside(volume, folder, `${'\x02'.repeat(200)}${i}`), noise(100, i));
    }
    await put(outside(volume, 'sub/file'), noise(100));
    await mkdir(volume.at('source/sub'), { recursive: true });
    await must('mount', ['-t', 'tmpfs', 'none', volume.at('source/sub')]);
    try {
      const result = await volume.run('import', outside(volume), volume.mountpoint);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /something else is mounted at .*source\/sub\n$/);
    } finally {
      await must('umount', [volume.at('source/sub')]);
    }
    assert.deepEqual(await readdir(volume.at('source/sub')), []);
    await volume.must('import', outside(volume), volume.mountpoint);
    await sameTree(outside(volume), volume.at('source'));
  },
);

scenario('a remount as read-only ends it, and packs grow no more', STILL, async (volume) => {
  await put(outside(volume, 'large'), noise(400 * MiB));
  const importing = volume.run('import', outside(volume, 'large'), volume.mountpoint);
  await waitFor('it is under way', async () => (await volume.tierBytes('hdd')) > 20 * MiB);
  await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,ro');
  const { code, stderr } = await importing;
  assert.equal(code, 1);
  assert.match(stderr, /read-only.* 0 files imported so far/);
  assert.ok((await volume.tierBytes('hdd')) < 300 * MiB);
  await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,rw');
  await volume.must('import', outside(volume, 'large'), volume.mountpoint);
  assert.equal(await digestFile(volume.at('large')), digest(noise(400 * MiB)));
});

scenario('what makes no sense is refused before anything is made', {}, async (volume) => {
  await put(outside(volume, 'x'), noise(10));
  await put(volume.at('a/x'), noise(10));
  const cases: [string[], number, RegExp][] = [
    [[outside(volume)], 2, /something is missing\. Usage: coral-reef import PATH\.\.\. DIR/],
    [[outside(volume), volume.root], 3, /it is on no Coral Reef mount/],
    [[outside(volume, 'none'), volume.mountpoint], 1, /none: it does not exist/],
    [[outside(volume), volume.at('none')], 1, /it does not exist\. Make it first: mkdir -p/],
    [[volume.at('a'), volume.mountpoint], 2, /it is on .* already\. Copy it there with cp -a/],
    [[volume.root, volume.mountpoint], 2, /which is inside it/],
    [[outside(volume), volume.mountpoint, '--to', 'tape'], 1, /the volume has no such tier/],
  ];
  for (const [args, code, text] of cases) {
    const result = await volume.run('import', ...args);
    assert.equal(result.code, code, `${args.join(' ')}\n${result.stderr}`);
    assert.match(result.stderr, text);
  }
  const seen = outside(volume, 'seen');
  await mkdir(seen);
  await must('mount', ['--bind', volume.mountpoint, seen]);
  try {
    const result = await volume.run('import', outside(volume), volume.at('a'));
    assert.equal(result.code, 1);
    assert.match(result.stderr, /seen: .*this is the mount that the import goes to/);
    assert.equal(await exists(volume.at('a/source/x')), true);
    assert.equal(await exists(volume.at('a/source/seen')), false);
  } finally {
    await must('umount', [seen]);
  }
  await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,ro');
  await put(outside(volume, 'y'), noise(10));
  const result = await volume.run('import', outside(volume, 'y'), volume.at('a'));
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /read-only/);
});

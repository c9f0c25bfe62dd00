/** `export`: what people get out of a volume, whole, with all that belongs to it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { must, run, shell } from '../../scripts/lib/process.js';
import type { CopyDocument } from '../../src/daemon/documents.js';
import { loopFilesystem } from '../loop-filesystem.js';
import { isSparse, makeHardTree, sameForRsync, sameTree } from './carried-tree.js';
import { digest, digestFile, MiB, noise, prose, put } from './content.js';
import { exists, program, scenario, type TestVolume } from './harness.js';

const STILL = { mount: ['promote=never', 'cold-after=1h'] };

/** A directory beside the mount to export to. */
async function outside(volume: TestVolume, name = 'out'): Promise<string> {
  const path = join(volume.root, name);
  await mkdir(path);
  return path;
}

/** Files that an export must not leave behind. */
async function parts(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  return names.filter((name) => name.includes('coral-reef-part'));
}

scenario(
  'a tree comes out as it went in, plain, packed and in between: content, holes, and all attributes',
  STILL,
  async (volume) => {
    const from = join(volume.root, 'source');
    await makeHardTree(from);
    await must('cp', ['-a', from, volume.at('tree')]);
    for (const [form, packed] of [
      ['plain', []],
      ['mixed', ['models', 'folder-2', 'holes']],
      ['packed', ['.']],
    ] as const) {
      const out = await outside(volume, form);
      for (const path of packed) await volume.demote(`tree/${path}`);
      await volume.must('export', volume.at('tree'), out);
      await sameTree(from, join(out, 'tree'));
      await isSparse(join(out, 'tree/models/sparse'));
      await isSparse(join(out, 'tree/holes'));
      const [hard, too] = ['hard', 'folder-1/hard-too'].map((name) => join(out, 'tree', name));
      assert.equal((await stat(hard)).ino, (await stat(too)).ino);
      assert.deepEqual(await parts(out), []);
    }
    assert.equal((await volume.where('tree/models/large.bin')).form, 'packed');
  },
);

scenario(
  'a volume without extended attributes keeps modes and owners, and takes no ACL of the target on',
  STILL,
  async (volume) => {
    const ask = ['--only-values', '-n', 'user.coral-reef.attributes', volume.mountpoint];
    for (const [name, mode] of [
      ['in/open', '666'],
      ['in/closed', '400'],
      ['in/runs', '6711'],
    ]) {
      await put(volume.at(name), noise(1000));
      await must('chmod', [mode, volume.at(name)]);
    }
    await must('chown', ['1234:2345', volume.at('in/open')]);
    await mkdir(volume.at('in/folder'), { mode: 0o731 });
    const out = await outside(volume);
    await must('setfacl', ['-d', '-m', 'u:1234:rwx', out]);
    assert.equal(await must('getfattr', ask), 'none');
    await volume.must('export', volume.at('in'), out);
    await sameTree(volume.at('in'), join(out, 'in'));
    await must('setfattr', ['-n', 'user.note', '-v', 'a', volume.at('in/folder')]);
    assert.equal(await must('getfattr', ask), 'some');
    await volume.must('export', `${volume.at('in')}/.`, await outside(volume, 'other'));
    await sameTree(volume.at('in'), join(volume.root, 'other'));
  },
);

scenario(
  'what is at the target already is left: the same is skipped, another one is named, the rest comes out',
  STILL,
  async (volume) => {
    const names = ['a', 'b', 'c/d', 'c/e'];
    for (const [seed, name] of names.entries()) await put(volume.at('in', name), noise(5000, seed));
    await symlink('a', volume.at('in/l'));
    const out = await outside(volume);
    const first = await volume.json<CopyDocument>('export', volume.at('in'), out);
    assert.deepEqual(first, {
      paths: [volume.at('in')],
      directory: out,
      files: 5,
      directories: 2,
      bytes: 20_000,
      skipped: 0,
      failed: [],
    });
    await rm(join(out, 'in/a'));
    await rm(join(out, 'in/c/e'));
    await put(volume.at('in/new'), noise(100));
    const again = await volume.json<CopyDocument>('export', volume.at('in'), out);
    assert.deepEqual([again.files, again.skipped, again.failed], [3, 3, []]);
    assert.deepEqual(await readFile(join(out, 'in/a')), noise(5000, 0));

    await writeFile(join(out, 'in/b'), 'mine');
    await rm(join(out, 'in/c'), { recursive: true });
    await writeFile(join(out, 'in/c'), 'mine too');
    await rm(join(out, 'in/l'));
    await mkdir(join(out, 'in/l'));
    await rm(join(out, 'in/new'));
    const clash = await volume.run('export', '--json', volume.at('in'), out);
    assert.equal(clash.code, 1);
    const { files, failed } = JSON.parse(clash.stdout) as CopyDocument;
    assert.deepEqual(
      failed.map(({ path }) => path).sort(),
      ['b', 'c', 'l'].map((n) => volume.at('in', n)),
    );
    assert.equal(files, 1);
    for (const { error } of failed) assert.ok(clash.stderr.includes(error), clash.stderr);
    assert.equal(await readFile(join(out, 'in/b'), 'utf8'), 'mine');
    assert.equal(await readFile(join(out, 'in/c'), 'utf8'), 'mine too');
    assert.ok(await exists(join(out, 'in/new')));
  },
);

scenario(
  'hard links are complete again after an export that was stopped between them',
  STILL,
  async (volume) => {
    await put(volume.at('in/a'), noise(3000));
    for (const name of ['b', 'c', 'd'])
      await must('ln', [volume.at('in/a'), volume.at('in', name)]);
    const out = await outside(volume);
    await volume.must('export', volume.at('in'), out);
    for (const gone of [['b'], ['a', 'c'], ['a', 'b', 'd']]) {
      for (const name of gone) await rm(join(out, 'in', name));
      await volume.must('export', volume.at('in'), out);
      const inodes = await must('stat', [
        '-c',
        '%i %h',
        ...['a', 'b', 'c', 'd'].map((n) => join(out, 'in', n)),
      ]);
      assert.equal(new Set(inodes.trim().split('\n')).size, 1, inodes);
      assert.match(inodes, / 4\n/);
    }
  },
);

/** Overwrites the middle of what makes up the only pack, and what would mend it. */
async function damagePack(volume: TestVolume): Promise<void> {
  const [pack] = await volume.packs('hdd');
  await rm(pack.replace('.pack', '.parity'), { force: true });
  const handle = await open(pack, 'r+');
  await handle.write(Buffer.alloc(8, 0x55), 0, 8, Math.floor((await handle.stat()).size / 2));
  await handle.close();
}

scenario(
  'a damaged file does not come out half, is named, and the others come out',
  STILL,
  async (volume) => {
    const sums: string[] = [];
    for (let i = 0; i < 9; i++) sums.push(await put(volume.at(`in/${i}`), noise(200_000, i)));
    await volume.demote('in');
    await volume.unmount();
    await damagePack(volume);
    await shell('sync; echo 3 >/proc/sys/vm/drop_caches');
    await volume.mount(STILL.mount);
    const out = await outside(volume);
    const result = await volume.run('export', volume.at('in'), out);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /in\/\d: it can't be read: the medium gave an I\/O error/);
    assert.match(result.stdout, /8 files .*exported, 1 failed/);
    const came = await readdir(join(out, 'in'));
    assert.equal(came.length, 8);
    for (const name of came)
      assert.equal(await digestFile(join(out, 'in', name)), sums[Number(name)]);
  },
);

scenario(
  'a file that a program is writing comes out as far as it is written',
  {},
  async (volume) => {
    await mkdir(volume.at('in'));
    const file = await open(volume.at('in/log'), 'a');
    await file.write(prose(2 * MiB));
    const out = await outside(volume);
    let stop = false;
    const writing = (async () => {
      while (!stop) await file.write(prose(MiB)).then(() => undefined);
    })();
    await volume.must('export', volume.at('in'), out);
    stop = true;
    await writing;
    await file.close();
    const [copy, whole] = [
      await readFile(join(out, 'in/log')),
      await readFile(volume.at('in/log')),
    ];
    assert.ok(copy.length >= 2 * MiB);
    assert.equal(digest(copy), digest(whole.subarray(0, copy.length)));
  },
);

scenario(
  'a full target ends the export with what to do, leaves no half file, and is gone on with',
  STILL,
  async (volume, context: TestContext) => {
    const full = loopFilesystem('ext4', (clean) => context.after(clean), 32 * MiB);
    for (let i = 0; i < 40; i++) await put(volume.at(`in/${i}`), noise(MiB - i, i));
    await put(volume.at('large/one'), noise(10 * MiB));
    await put(join(full, 'ballast'), noise(16 * MiB));
    const result = await volume.run('export', volume.at('in'), volume.at('large'), full);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /no space left; \d+ files? exported so far .* whole\. Make room/);
    for (const name of await readdir(join(full, 'in'))) {
      assert.equal(
        await digestFile(join(full, 'in', name)),
        digest(noise(MiB - Number(name), Number(name))),
      );
    }
    assert.deepEqual(await parts(full), []);
    await rm(join(full, 'ballast'));
    await volume.must('export', volume.at('large'), full);
    assert.equal(await digestFile(join(full, 'large/one')), digest(noise(10 * MiB)));
  },
);

/** Resolves as soon as it has made anything in `to`. */
async function startExport(from: string, to: string) {
  const begun = new Promise<void>((resolve) => {
    const watcher = watch(to, () => {
      watcher.close();
      resolve();
    });
  });
  const child = spawn(program, ['export', from, to], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said += String(data)));
  const ended = new Promise<{ code: number | null; said: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, said }));
  });
  await begun;
  return { child, ended };
}

scenario(
  'Ctrl-C leaves whole files only, and the same command ends the work',
  STILL,
  async (volume) => {
    for (let i = 0; i < 300; i++) await put(volume.at(`in/${i % 7}/${i}`), noise(300_000, i));
    const out = await outside(volume);
    const { child, ended } = await startExport(volume.at('in'), out);
    child.kill('SIGINT');
    const { code, said } = await ended;
    assert.equal(code, 1, said);
    assert.match(
      said,
      /stopped; \d+ files? exported so far .* whole\. To go on, repeat the command/,
    );
    assert.deepEqual(await parts(out), []);
    const { skipped, files } = await volume.json<CopyDocument>('export', volume.at('in'), out);
    assert.equal(skipped + files, 300);
    await sameForRsync(volume.at('in'), join(out, 'in'));
  },
);

scenario(
  'an export whose daemon is gone says so once, and goes on when the volume is mounted again',
  STILL,
  async (volume) => {
    for (let i = 0; i < 300; i++) await put(volume.at(`in/${i}`), noise(300_000, i));
    await must('sync', [volume.at('in')]);
    const out = await outside(volume);
    const pid = await volume.daemonPid();
    const { ended } = await startExport(volume.at('in'), out);
    process.kill(pid, 'SIGKILL');
    const { code, said } = await ended;
    assert.equal(code, 1, said);
    assert.match(
      said,
      /can't be read: nobody serves it any more; .* Mount the volume, then repeat/,
    );
    assert.equal(said.trim().split('\n').length, 1, said);
    await volume.removeDeadMount();
    await volume.mount(STILL.mount);
    await volume.must('export', volume.at('in'), out);
    await sameForRsync(volume.at('in'), join(out, 'in'));
  },
);

scenario(
  'who is not root gets out what he may read, as his own, and hears of the rest',
  { mount: ['allow_other'] },
  async (volume) => {
    await put(volume.at('in/open'), noise(10_000));
    await put(volume.at('in/secret'), noise(10_000));
    await chmod(volume.at('in/secret'), 0o600);
    await chmod(volume.at('in/open'), 0o4755);
    await utimes(volume.at('in/open'), 1e9, 1e9);
    await mkdir(volume.at('in/folder'), { mode: 0o555 });
    await chmod(volume.root, 0o755);
    const out = await outside(volume);
    await must('chown', ['65534:65534', out]);
    const as = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const result = await run('setpriv', [...as, program, 'export', volume.at('in'), out]);
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, /in\/secret: it can't be read: permission denied/);
    const facts = await stat(join(out, 'in/open'));
    // Somebody else's set-user-id bit would be a door to one's own account.
    assert.deepEqual([facts.mode & 0o7777, facts.uid, facts.mtimeMs], [0o755, 65534, 1e12]);
    assert.equal((await stat(join(out, 'in/folder'))).mode & 0o777, 0o555);
    assert.deepEqual((await readdir(join(out, 'in'))).sort(), ['folder', 'open']);
  },
);

scenario(
  'an export into the same volume, and one of several paths, has everything',
  STILL,
  async (volume) => {
    const from = join(volume.root, 'source');
    await makeHardTree(from);
    await must('cp', ['-a', from, volume.at('tree')]);
    await mkdir(volume.at('copies'));
    await put(volume.at('one'), noise(100));
    await volume.must('export', volume.at('tree'), volume.at('one'), volume.at('copies'));
    assert.deepEqual(await parts(volume.at('copies')), []);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount(STILL.mount);
    await sameTree(from, volume.at('copies/tree'));
    assert.deepEqual(await readFile(volume.at('copies/one')), noise(100));

    const out = await outside(volume);
    await volume.must('export', `${volume.at('tree')}/.`, out);
    await sameTree(from, out);
    const whole = await outside(volume, 'whole');
    await volume.must('export', volume.mountpoint, whole);
    await sameTree(from, join(whole, 'mnt/tree'));
  },
);

scenario(
  'a path or directory that makes no sense is refused before anything is made',
  {},
  async (volume) => {
    const out = await outside(volume);
    await put(volume.at('a/x'), noise(10));
    await put(volume.at('b/x'), noise(10));
    await symlink('/', volume.at('link'));
    const cases: [string[], number, RegExp][] = [
      [[volume.at('a')], 2, /something is missing\. Usage: coral-reef export PATH\.\.\. DIR/],
      [[out, volume.root], 3, /out: it is on no Coral Reef mount/],
      [[volume.at('none'), out], 1, /none: it does not exist/],
      [[volume.at('a'), join(out, 'none')], 1, /it does not exist\. Make it first: mkdir -p/],
      [[volume.at('a'), volume.at('a/x')], 2, /x: it is not a directory/],
      [[volume.at('a'), volume.at('a')], 2, /can't be exported to .*, which is inside it/],
      [[volume.mountpoint, volume.at('a')], 2, /which is inside it/],
      [
        [volume.at('a/x'), volume.at('b/x'), out],
        2,
        /another path comes out as .*\/out\/x already/,
      ],
    ];
    for (const [args, code, text] of cases) {
      const result = await volume.run('export', ...args);
      assert.equal(result.code, code, `${args.join(' ')}\n${result.stderr}`);
      assert.match(result.stderr, text);
    }
    assert.deepEqual(await readdir(out), []);
    const self = await volume.run('export', volume.at('a'), volume.mountpoint);
    assert.equal(self.code, 1);
    assert.match(self.stderr, /exists and is another one/);
    // A link is exported as a link, wherever it leads.
    await volume.must('export', volume.at('link'), out);
    assert.equal(await must('readlink', [join(out, 'link')]), '/\n');
  },
);

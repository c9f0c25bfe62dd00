/** Programs that hold a file open or mapped while it moves, is removed or replaced see their bytes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { open, readdir, readFile, readlink, unlink, writeFile } from 'node:fs/promises';
import { scenario } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { map } from '../posix/system/memory.js';
import { O, withOpen } from '../posix/system/files.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const NAME = 'models/base/m.bin';

/** Maps a file for as long as it lives; each line on standard input makes it hash the mapping again. */
const MAPPER = `
import hashlib, mmap, sys
with open(sys.argv[1], 'rb') as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    print('ready', flush=True)
    for line in sys.stdin:
        print(hashlib.sha256(view).hexdigest(), flush=True)
`;

function startMapper(path: string) {
  const child = spawn('python3', ['-c', MAPPER, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ready: () => lines.next(),
    digest: async () => {
      child.stdin.write('\n');
      return (await lines.next()).value as string;
    },
    end: async () => {
      child.stdin.end();
      await new Promise((resolve) => child.on('exit', resolve));
    },
  };
}

scenario('a handle and a mapping stay right while the file is packed', {}, async (volume) => {
  const data = noise(8 * MiB);
  const sum = await put(volume.at(NAME), data);
  const handle = await open(volume.at(NAME), 'r');
  const mapper = startMapper(volume.at(NAME));
  await mapper.ready();
  const moved = volume.demote(NAME);
  for (let round = 0; round < 5; round++) {
    assert.equal(await mapper.digest(), sum);
    const { buffer } = await handle.read(Buffer.alloc(MiB), 0, MiB, round * MiB);
    assert.ok(buffer.equals(data.subarray(round * MiB, (round + 1) * MiB)));
    await sleep(200);
  }
  await mapper.end();
  await handle.close();
  await moved;
  assert.equal((await volume.where(NAME)).form, 'packed');
  assert.equal(await digestFile(volume.at(NAME)), sum);
});

scenario('the same while a packed file is promoted under its readers', {}, async (volume) => {
  const data = noise(8 * MiB);
  const sum = await put(volume.at(NAME), data);
  await volume.demote(NAME);
  const mapper = startMapper(volume.at(NAME));
  await mapper.ready();
  assert.equal(await mapper.digest(), sum);
  const moved = volume.promote(NAME);
  await sleep(500);
  assert.equal(await mapper.digest(), sum);
  const second = await open(volume.at(NAME), 'r');
  assert.ok((await second.readFile()).equals(data));
  await second.close();
  await mapper.end();
  await moved;
  assert.equal((await volume.where(NAME)).form, 'plain');
  assert.equal(await digestFile(volume.at(NAME)), sum);
});

for (const form of ['plain', 'packed']) {
  scenario(`an unlinked ${form} file lives as long as it is open`, {}, async (volume) => {
    const data = noise(4 * MiB);
    await put(volume.at(NAME), data);
    if (form === 'packed') await volume.demote(NAME);
    const handle = await open(volume.at(NAME), 'r');
    await unlink(volume.at(NAME));
    await volume.must('gc', volume.mountpoint);
    assert.ok((await handle.readFile()).equals(data));
    assert.equal((await handle.stat()).nlink, 0);
    await handle.close();
    assert.equal(await must('ls', [volume.at('models/base')]), '');
  });
}

scenario('an unlinked file can still be written and read back', {}, async (volume) => {
  const handle = await open(volume.at('scratch'), 'w+');
  await unlink(volume.at('scratch'));
  await handle.write(noise(MiB), 0, MiB, 0);
  const { buffer } = await handle.read(Buffer.alloc(MiB), 0, MiB, 0);
  assert.ok(buffer.equals(noise(MiB)));
  await handle.close();
});

scenario('a writer that keeps the file open keeps it from being moved', {}, async (volume) => {
  const path = 'w.bin';
  const handle = await open(volume.at(path), 'w');
  await handle.write(noise(2 * MiB), 0, 2 * MiB, 0);
  await volume.must('demote', volume.at(path), '--to', 'hdd');
  await sleep(1500);
  await handle.write(Buffer.from('late'), 0, 4, 0);
  await handle.close();
  const expected = noise(2 * MiB);
  expected.write('late', 0);
  await volume.demote(path);
  const sum = await put(`${volume.root}/expected`, expected);
  assert.equal(await digestFile(volume.at(path)), sum);
});

scenario('many readers of a packed file at once all get its bytes', {}, async (volume) => {
  const sum = await put(volume.at(NAME), noise(16 * MiB));
  await volume.demote(NAME);
  const readers = Array.from({ length: 8 }, () => digestFile(volume.at(NAME)));
  for (const actual of await Promise.all(readers)) assert.equal(actual, sum);
});

scenario(
  'what is written through a mapping after the close is not lost to a move',
  {},
  async (volume) => {
    const path = volume.at('index');
    await writeFile(path, 'A'.repeat(100_000));
    const view = withOpen(path, O.RDWR, (fd) => map(fd, 100_000));
    const moved = volume.demote('index');
    await waitFor('the move waits', async () => {
      const { migration } = await volume.status();
      return migration.running.length > 0;
    });
    view.write(50_000, 'late');
    view.unmap();
    await moved;
    assert.equal((await volume.where('index')).form, 'packed');
    assert.equal((await readFile(path, 'latin1')).slice(49_999, 50_005), 'AlateA');
  },
);

scenario(
  'a pack is let go of a moment after its last reader, so that a tier can be taken away',
  { mount: ['promote=never'] },
  async (volume) => {
    const names = Array.from({ length: 20 }, (_, i) => `documents/${i}.txt`);
    for (const name of names) await put(volume.at(name), noise(10_000));
    await volume.demote('documents');
    // Seals the pack: nothing writes to it any more.
    await volume.remount(['promote=never']);
    const pid = await volume.daemonPid();
    for (const name of names) assert.equal((await readFile(volume.at(name))).length, 10_000);
    assert.deepEqual(await packsHeldBy(pid), await volume.packs('hdd'));
    await waitFor('the pack is closed', async () => (await packsHeldBy(pid)).length === 0);
  },
);

async function packsHeldBy(pid: number): Promise<string[]> {
  const fds = await readdir(`/proc/${pid}/fd`);
  const open = await Promise.all(
    fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  return [...new Set(open.filter((path) => path.endsWith('.pack')))];
}

scenario(
  'a program that is killed while it waits for a packed file is let go',
  { media: 'loop' },
  async (volume) => {
    const sum = await put(volume.at(NAME), noise(8 * MiB));
    await volume.demote(NAME);
    // Nothing can be written to the tier that the file would go to.
    await must('fsfreeze', ['--freeze', volume.tier('nvme')]);
    try {
      const writer = spawn('sh', ['-c', 'exec 3<>"$0"', volume.at(NAME)], { stdio: 'ignore' });
      const ended = once(writer, 'exit');
      await waitFor('it is made plain', async () => {
        const { migration } = await volume.status();
        return migration.running.length > 0;
      });
      writer.kill('SIGKILL');
      await ended;
      assert.equal(await digestFile(volume.at(NAME)), sum);
    } finally {
      await must('fsfreeze', ['--unfreeze', volume.tier('nvme')]);
    }
    // Nobody has it open any more.
    await waitFor('it is plain', async () => (await volume.where(NAME)).form === 'plain');
    await volume.demote(NAME);
    assert.equal(await digestFile(volume.at(NAME)), sum);
  },
);

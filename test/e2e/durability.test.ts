/** What a person may rely on after umount, and after a crash: everything that was fsynced, byte for byte. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomChoices } from '../../scripts/fixtures/random-bytes.js';
import { seed } from '../seed.js';
import { exists, scenario, type TestVolume, type TierName } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const WRITER = fileURLToPath(new URL('crash-writer.js', import.meta.url));

scenario('after umount the next mount shows everything as it was', {}, async (volume) => {
  const packed = await put(volume.at('models/base/packed'), noise(5 * MiB));
  const plain = await put(volume.at('data/plain'), noise(3 * MiB, 2));
  await volume.demote('models/base/packed');
  await volume.must('pin', volume.at('data/plain'));
  const pid = await volume.daemonPid();
  await must('umount', [volume.mountpoint]);
  await waitFor('the daemon ends', async () => !(await exists(`/proc/${String(pid)}`)));
  await volume.mount();
  assert.equal((await volume.where('models/base/packed')).form, 'packed');
  assert.equal((await volume.where('data/plain')).pinned, 'nvme');
  assert.equal(await digestFile(volume.at('models/base/packed')), packed);
  assert.equal(await digestFile(volume.at('data/plain')), plain);
  await volume.must('fsck', volume.mountpoint);
});

scenario(
  `what was fsynced before kill -9 is there byte for byte, round after round (SEED=${String(seed)})`,
  { mount: ['settle=200ms', 'cold-after=1s', 'half-life=1s', 'promote=open'], timeoutMs: 400_000 },
  async (volume) => {
    const choose = randomChoices(seed);
    const log = join(volume.root, 'acknowledged');
    for (let round = 0; round < 6; round++) {
      const writer = startWriter(volume, log, round);
      await sleep(500 + choose(3000));
      await volume.killDaemon();
      await writer.ended();
      await volume.removeDeadMount();
      await volume.mount(['settle=200ms', 'cold-after=1s', 'half-life=1s', 'promote=open']);
      await everythingAcknowledged(volume, log);
      await volume.must('fsck', volume.mountpoint);
    }
  },
);

scenario(
  'a crash while files are moved loses none of them',
  { timeoutMs: 400_000 },
  async (volume) => {
    const choose = randomChoices(seed + 1);
    const sums = new Map<string, string>();
    for (let index = 0; index < 8; index++) {
      const name = `models/base/file-${String(index)}`;
      sums.set(name, await put(volume.at(name), noise(4 * MiB, index % 5)));
    }
    await must(
      'sync',
      [...sums.keys()].map((name) => volume.at(name)),
    );
    for (let round = 0; round < 6; round++) {
      const [verb, to] = round % 2 === 0 ? ['demote', 'hdd'] : ['promote', 'nvme'];
      await volume.must(verb, volume.at('models/base'), '--to', to);
      await sleep(choose(400));
      await volume.killDaemon();
      await volume.removeDeadMount();
      await volume.mount();
      for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum, name);
      await volume.must('fsck', volume.mountpoint);
    }
  },
);

scenario(
  'a file saved by renaming over the old one is whole after a power cut, without fsync',
  { media: 'loop' },
  async (volume) => {
    const names = ['a', 'b', 'c'];
    for (const name of names) await writeFile(volume.at(name), 'old '.repeat(4000));
    await must('sync', [volume.at(), ...names.map((name) => volume.at(name))]);
    for (const name of names) {
      await writeFile(volume.at('saved'), 'new '.repeat(5000));
      await rename(volume.at('saved'), volume.at(name));
    }
    // The names are durable, as they are a second later.
    await must('sync', [volume.mountpoint]);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await losePower(volume, 'nvme');
    await volume.mount();
    for (const name of names) {
      assert.equal(await readFile(volume.at(name), 'utf8'), 'new '.repeat(5000));
    }
    await volume.must('fsck', volume.mountpoint);
  },
);

scenario('what was written with O_SYNC or on a sync mount survives kill -9', {}, async (volume) => {
  const { O_CREAT, O_WRONLY, O_SYNC, O_DSYNC } = constants;
  const write = async (name: string, flags: number) => {
    const file = await open(volume.at(name), O_CREAT | O_WRONLY | flags);
    await file.write('written');
    return file;
  };
  let pid = await volume.daemonPid();
  const files = [await write('sync', O_SYNC), await write('dsync', O_DSYNC)];
  process.kill(pid, 'SIGKILL');
  for (const file of files) await file.close().catch(() => undefined);
  await volume.removeDeadMount();
  await volume.mount(['sync']);
  pid = await volume.daemonPid();
  await (await write('mounted', 0)).close();
  await rename(volume.at('sync'), volume.at('renamed'));
  process.kill(pid, 'SIGKILL');
  await volume.removeDeadMount();
  await volume.mount();
  for (const name of ['renamed', 'dsync', 'mounted']) {
    assert.equal(await readFile(volume.at(name), 'utf8'), 'written', name);
  }
  assert.ok(!(await exists(volume.at('sync'))));
});

/** What the kernel has not written to the loop device of a tier is gone. */
async function losePower(volume: TestVolume, tier: TierName): Promise<void> {
  const image = join(volume.root, `${tier}.img`);
  await must('cp', ['--sparse=always', image, `${image}.cut`]);
  await must('umount', [volume.tier(tier)]);
  await must('mount', ['-o', 'loop', `${image}.cut`, volume.tier(tier)]);
}

function startWriter(volume: TestVolume, log: string, round: number) {
  const args = [WRITER, volume.at(), log, String(seed * 100 + round), `round-${String(round)}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const end = new Promise<void>((resolve) =>
    child.on('exit', () => {
      resolve();
    }),
  );
  return {
    /** Its calls fail once the daemon is gone, and that ends it; if not, we do. */
    ended: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await end;
      clearTimeout(timer);
    },
  };
}

/** The last acknowledged state of each path: `D path digest` written, `R path` removed. */
async function everythingAcknowledged(volume: TestVolume, log: string): Promise<void> {
  const state = new Map<string, string | null>();
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [kind, path, sum] = line.split(' ');
    if (kind === 'D' && sum?.length === 64) state.set(path, sum);
    if (kind === 'R' || kind === 'T') state.delete(path);
  }
  assert.ok(state.size > 0, 'the writer got something acknowledged');
  for (const [path, sum] of state) {
    assert.equal(await digestFile(volume.at(path)), sum, path);
  }
}

/** Moving by request: where a file is, what it costs, and that its bytes never change on the way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { program, scenario, type TestVolume } from './harness.js';
import { ask } from '../../src/daemon/client.js';
import type { MigrationDocument } from '../../src/daemon/documents.js';
import { ggufFile } from '../../scripts/fixtures/gguf-writer.js';
import { onnxFile } from '../../scripts/fixtures/onnx-writer.js';
import { safetensorsFile } from '../../scripts/fixtures/safetensors-writer.js';
import { tfliteFile } from '../../scripts/fixtures/tflite-writer.js';
import { digestFile, MiB, noise, prose, put } from './content.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const MODEL = 'models/base/m/model.bin';

scenario('a new file is plain on the fastest tier, and says so', {}, async (volume) => {
  const data = noise(8 * MiB);
  await put(volume.at(MODEL), data);
  const row = await volume.where(MODEL);
  assert.equal(row.path, volume.at(MODEL));
  assert.equal(row.tier, 'nvme');
  assert.equal(row.form, 'plain');
  assert.equal(row.size, data.length);
  assert.equal(row.pinned, null);
  assert.ok(['HOT', 'WARM', 'COLD'].includes(row.temperature));
  assert.ok(row.heat >= 0);
  const { tiers } = await volume.status();
  assert.deepEqual(
    tiers.map((tier) => [tier.name, tier.medium, tier.path, tier.state]),
    ['nvme', 'ssd', 'hdd'].map((name) => [name, name, `${volume.root}/${name}`, 'ok']),
  );
  assert.ok(tiers[0].plainBytes >= data.length);
  assert.match(await volume.must('explain', volume.at(MODEL)), /nvme/);
});

scenario('a demoted file is packed on the slow tier with the same bytes', {}, async (volume) => {
  const sum = await put(volume.at(MODEL), noise(12 * MiB + 5));
  await volume.demote(MODEL);
  const row = await volume.where(MODEL);
  assert.equal(row.tier, 'hdd');
  assert.equal(row.form, 'packed');
  assert.equal(row.size, 12 * MiB + 5);
  assert.equal((await stat(volume.at(MODEL))).size, 12 * MiB + 5);
  assert.ok((await volume.tierBytes('nvme')) < 2 * MiB, 'the fast tier is free again');
  assert.equal(await digestFile(volume.at(MODEL)), sum);
});

scenario('packed data that compresses shows its real cost in du', {}, async (volume) => {
  await put(volume.at('data/documents/text'), prose(8 * MiB));
  await volume.demote('data/documents/text');
  const path = volume.at('data/documents/text');
  const logical = Number((await must('du', ['-B1', '--apparent-size', path])).split('\t')[0]);
  const stored = Number((await must('du', ['-B1', path])).split('\t')[0]);
  assert.equal(logical, 8 * MiB);
  assert.ok(stored < 6 * MiB, `du says ${String(stored)}`);
  const row = await volume.where('data/documents/text');
  assert.ok(Math.abs(row.storedBytes - stored) <= 4096);
  const { savings } = await volume.status();
  assert.ok(savings.compressionBytes > 2 * MiB);
});

scenario('a slightly different copy costs only its difference', {}, async (volume) => {
  const data = noise(16 * MiB);
  const other = Buffer.concat([data.subarray(0, 7 * MiB), noise(1000, 2), data.subarray(7 * MiB)]);
  await put(volume.at('models/base/one.bin'), data);
  await volume.demote('models/base/one.bin');
  const before = await volume.tierBytes('hdd');
  const sum = await put(volume.at('models/base/two.bin'), other);
  await volume.demote('models/base/two.bin');
  const added = (await volume.tierBytes('hdd')) - before;
  assert.ok(added < 2 * MiB, `the second copy took ${String(added)} bytes`);
  const { savings } = await volume.status();
  assert.ok(savings.dedupBytes > 14 * MiB);
  assert.equal(savings.logicalBytes, data.length + other.length);
  assert.ok((await volume.where('models/base/two.bin')).sharedBytes > 14 * MiB);
  assert.equal(await digestFile(volume.at('models/base/two.bin')), sum);
});

scenario(
  'a tensor is stored once, whatever file, order and format it comes in',
  {},
  async (volume) => {
    // Of lengths that no chunk has, as tensors are; each too short for cuts to find their way back.
    const lengths = Array.from({ length: 24 }, (_, i) => 200_002 + 2 * ((i * 7919) % 100_000));
    const tensors = lengths.map((length, i) => [`blk.${String(i)}`, noise(length, i)] as const);
    const size = lengths.reduce((sum, length) => sum + length, 0);
    await put(volume.at('models/base/one.safetensors'), safetensorsFile(new Map(tensors)));
    await volume.demote('models/base/one.safetensors');
    const before = await volume.tierBytes('hdd');
    const shuffled = new Map([...tensors.slice(9), ...tensors.slice(0, 9)].reverse());
    const sums = new Map<string, string>();
    for (const [name, data] of [
      ['models/base/two.safetensors', safetensorsFile(shuffled)],
      ['models/base/three.gguf', ggufFile(new Map(), shuffled)],
      ['models/base/four.onnx', onnxFile(shuffled)],
      ['models/base/five.tflite', tfliteFile(shuffled)],
    ] as const) {
      sums.set(name, await put(volume.at(name), data));
      await volume.demote(name);
    }
    const added = (await volume.tierBytes('hdd')) - before;
    assert.ok(added < size * 0.03, `the copies took ${String(added)} of ${String(4 * size)} bytes`);
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum);
  },
);

scenario('removing one of two copies keeps the other; gc gives space back', {}, async (volume) => {
  const sum = await put(volume.at('one'), noise(8 * MiB));
  await put(volume.at('two'), noise(8 * MiB));
  await put(volume.at('three'), noise(16 * MiB, 3));
  for (const name of ['one', 'two', 'three']) await volume.demote(name);
  await must('rm', [volume.at('one'), volume.at('three')]);
  await volume.must('gc', volume.mountpoint);
  const left = await volume.tierBytes('hdd');
  assert.ok(left < 11 * MiB, `${String(left)} bytes are left`);
  assert.equal(await digestFile(volume.at('two')), sum);
});

scenario('gc gives back the space of deleted files though moves are paused', {}, async (volume) => {
  const names = ['one', 'two', 'three', 'four'];
  for (const [seed, name] of names.entries()) {
    await put(volume.at('dir', name), noise(2 * MiB, seed + 1));
  }
  await volume.demote('dir');
  await volume.must('migration', 'pause', volume.mountpoint);
  const sum = await digestFile(volume.at('dir/two'));
  for (const name of ['one', 'three', 'four']) await rm(volume.at('dir', name));
  await volume.must('gc', volume.mountpoint);
  assert.ok((await volume.tierBytes('hdd')) < 4 * MiB);
  assert.equal(await digestFile(volume.at('dir/two')), sum);
});

scenario('a promoted file is plain on the fast tier again', {}, async (volume) => {
  const sum = await put(volume.at(MODEL), noise(6 * MiB));
  await volume.demote(MODEL);
  await volume.promote(MODEL);
  const row = await volume.where(MODEL);
  assert.equal(row.tier, 'nvme');
  assert.equal(row.form, 'plain');
  assert.equal(await digestFile(volume.at(MODEL)), sum);
});

scenario('moving leaves times, owner and mode alone', {}, async (volume) => {
  await put(volume.at('file'), noise(MiB));
  await must('chmod', ['640', volume.at('file')]);
  await must('chown', ['1234:2345', volume.at('file')]);
  await must('touch', ['-d', '2020-02-02 02:02:02.123456789', volume.at('file')]);
  const facts = () => must('stat', ['-c', '%a %u %g %s %x %y %i', volume.at('file')]);
  const before = await facts();
  await volume.demote('file');
  assert.equal(await facts(), before);
  await volume.promote('file', 'ssd');
  assert.equal(await facts(), before);
});

scenario('a write to a packed file keeps all its other bytes', {}, async (volume) => {
  const data = noise(5 * MiB);
  await put(volume.at('file'), data);
  await volume.demote('file');
  const handle = await open(volume.at('file'), 'r+');
  await handle.write(Buffer.from('changed'), 0, 7, 2 * MiB);
  await handle.close();
  data.write('changed', 2 * MiB);
  const sum = await put(`${volume.root}/expected`, data);
  assert.equal(await digestFile(volume.at('file')), sum);
  await volume.waitUntil('file', { form: 'plain' });
  await volume.remount();
  assert.equal(await digestFile(volume.at('file')), sum);
});

scenario('appending to and cutting a packed file works', {}, async (volume) => {
  const data = noise(3 * MiB);
  await put(volume.at('longer'), data);
  await put(volume.at('shorter'), data);
  await put(volume.at('replaced'), data);
  for (const name of ['longer', 'shorter', 'replaced']) await volume.demote(name);
  await writeFile(volume.at('longer'), 'end', { flag: 'a' });
  await must('truncate', ['-s', String(MiB + 1), volume.at('shorter')]);
  await writeFile(volume.at('replaced'), 'new');
  const expected = `${volume.root}/expected`;
  await put(expected, Buffer.concat([data, Buffer.from('end')]));
  await must('cmp', [expected, volume.at('longer')]);
  await put(expected, data.subarray(0, MiB + 1));
  await must('cmp', [expected, volume.at('shorter')]);
  await put(expected, Buffer.from('new'));
  await must('cmp', [expected, volume.at('replaced')]);
});

scenario('a directory moves with everything below it', {}, async (volume) => {
  for (let index = 0; index < 20; index++) {
    await put(volume.at('models/base/m', `part-${String(index)}`), noise(300_000, index));
  }
  await volume.demote('models/base/m');
  for (let index = 0; index < 20; index++) {
    assert.equal((await volume.where(`models/base/m/part-${String(index)}`)).form, 'packed');
  }
});

scenario('a directory moves with files whose first name is gone', {}, async (volume) => {
  const sum = await put(volume.at('models/base/first'), noise(MiB));
  await must('ln', [volume.at('models/base/first'), volume.at('models/base/second')]);
  await must('ln', [volume.at('models/base/second'), volume.at('third')]);
  await must('rm', [volume.at('models/base/first'), volume.at('third')]);
  await volume.demote('models/base');
  assert.equal((await volume.where('models/base/second')).form, 'packed');
  assert.equal(await digestFile(volume.at('models/base/second')), sum);
});

scenario('migration stops while paused and goes on when resumed', {}, async (volume) => {
  await put(volume.at('file'), noise(2 * MiB));
  await volume.must('migration', 'pause');
  assert.equal((await volume.status()).migration.state, 'paused');
  await volume.must('demote', volume.at('file'), '--to', 'hdd');
  assert.equal((await volume.where('file')).form, 'plain');
  const explained = await volume.must('explain', volume.at('file'));
  assert.match(explained, /^next .* Migration is paused: .*migration resume/m);
  assert.match(explained, /^job +demote to hdd, queued$/m);
  await volume.must('migration', 'resume');
  await volume.waitUntil('file', { form: 'packed' });
  assert.doesNotMatch(await volume.must('explain', volume.at('file')), /paused|queued/);
});

scenario('what is pinned is not sent away from its tier', {}, async (volume) => {
  const file = volume.at('file');
  await put(file, noise(1000));
  await volume.must('pin', file, '--to', 'nvme');
  for (const words of [['--to', 'hdd', '--wait'], []]) {
    const result = await volume.run('demote', file, ...words);
    assert.equal(result.code, 1);
    assert.ok(result.stderr.includes(`is pinned to nvme. First: coral-reef unpin ${file}\n`));
  }
  await mkdir(volume.at('kept'));
  await put(volume.at('kept/inside'), noise(1000));
  await volume.must('pin', volume.at('kept'), '--to', 'ssd');
  const inside = await volume.run('demote', volume.at('kept/inside'));
  assert.ok(inside.stderr.includes(`coral-reef unpin ${volume.at('kept')}\n`), inside.stderr);
  await put(volume.at('free'), noise(1000));
  const all = ['demote', volume.mountpoint, '--to', 'hdd', '--wait'];
  assert.match(await volume.must(...all), /1 file .* demoted to hdd, 2 stay pinned/);
  assert.deepEqual(await formOf(volume, 'file'), ['nvme', 'plain']);
});

scenario('a pinned file goes to the tier of its pin, and is plain there', {}, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB));
  for (const tier of ['hdd', 'ssd'] as const) {
    await volume.demote('file', 'hdd');
    await volume.must('pin', volume.at('file'), '--to', tier);
    await volume.demote('file', tier);
    assert.deepEqual(await formOf(volume, 'file'), [tier, 'plain']);
    assert.match(await volume.must('unpin', volume.at('file')), /: unpinned from (hdd|ssd)\n/);
    assert.match(await volume.must('unpin', volume.at('file')), /had no pin of its own\n/);
  }
  assert.equal(await digestFile(volume.at('file')), sum);
});

async function formOf(volume: TestVolume, path: string): Promise<string[]> {
  const { tier, form } = await volume.where(path);
  return [tier, form];
}

scenario('a file name can not take over the terminal', {}, async (volume) => {
  const path = volume.at('a\nfake\x1b[31m\x9b2J');
  await put(path, noise(1000));
  await volume.must('pin', path);
  for (const verb of ['where', 'explain', 'demote', 'unpin', 'promote']) {
    const { stdout, stderr } = await volume.run(verb, path);
    assert.match(stdout + stderr, /a\?fake\?\[31m\?2J/, verb);
    assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f]|^fake/m, verb);
  }
  const { path: told } = await volume.json<{ path: string }>('explain', path);
  assert.equal(told, path);
});

scenario('a move to a tier that is not there says which tiers are', {}, async (volume) => {
  await put(volume.at('file'), noise(1000));
  const result = await volume.run('demote', volume.at('file'), '--to', 'tape');
  assert.ok(result.code === 1 || result.code === 2);
  assert.match(result.stderr, /tape/);
  assert.match(result.stderr, /nvme.*ssd.*hdd/s);
});

scenario('a hole is no saving of deduplication', {}, async (volume) => {
  await put(volume.at('file'), Buffer.alloc(8 * MiB));
  assert.doesNotMatch(await volume.must('status', volume.mountpoint), /holes/);
  await volume.demote('file');
  const { dedupBytes, zeroBytes } = (await volume.status()).savings;
  assert.deepEqual({ dedupBytes, zeroBytes }, { dedupBytes: 0, zeroBytes: 8 * MiB });
  assert.match(await volume.must('status', volume.mountpoint), /8\.00 MiB by holes and zeros$/m);
});

scenario('where nothing is to move, no progress is shown', {}, async (volume) => {
  const told: unknown[] = [];
  const args = { path: '/', shown: volume.mountpoint, wait: true };
  await ask(volume.path, volume.mountpoint, 'demote', args, (value) => told.push(value));
  assert.deepEqual(told, []);
});

/** Starts `demote --wait`, lets it go on once it said why it waits, and returns all that it said. */
async function saidWhileWaiting(
  volume: TestVolume,
  reason: RegExp,
  goOn: () => Promise<unknown>,
): Promise<string> {
  const args = ['demote', volume.at('file'), '--to', 'hdd', '--wait'];
  const demote = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(demote, 'exit');
  let said = '';
  demote.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await waitFor('it says what it waits for', () => reason.test(said));
  // Some reports more, all of which have the same to say.
  await sleep(1000);
  await goOn();
  assert.deepEqual(await ended, [0, null], said);
  assert.equal((await volume.where('file')).tier, 'hdd');
  return said;
}

scenario('who waits for a move is told once what it waits for', {}, async (v) => {
  const onlyLine = /^coral-reef: .*\n$/;
  const sum = await put(v.at('file'), noise(MiB));
  await v.must('migration', 'pause', v.mountpoint);
  const resume = () => v.must('migration', 'resume', v.mountpoint);
  assert.match(await saidWhileWaiting(v, /paused; .*migration resume/, resume), onlyLine);

  await v.promote('file');
  const reader = await open(v.at('file'));
  const close = () => reader.close();
  assert.match(await saidWhileWaiting(v, /\/file is open/, close), onlyLine);
  assert.equal(await digestFile(v.at('file')), sum);
});

scenario(
  'migration status says which moves failed, until they are done',
  { capacity: { hdd: '4MiB' }, mount: ['cold-after=1h'] },
  async (v) => {
    const failed = async () =>
      (JSON.parse(await v.must('migration', 'status', v.mountpoint, '--json')) as MigrationDocument)
        .failures;
    await put(v.at('models/grün.bin'), noise(8 * MiB));
    assert.deepEqual(await failed(), []);
    await v.run('demote', v.at('models'), '--to', 'hdd', '--wait');
    const [{ kind, tier, error, time }] = await failed();
    assert.deepEqual([kind, tier], ['demote', 'hdd']);
    assert.match(error, /could not demote \/models\/grün\.bin to hdd: /);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.match(await v.must('migration', 'status', v.mountpoint), /not done since:\n.*grün\.bin/);
    await v.demote('models', 'ssd');
    assert.deepEqual(await failed(), []);
  },
);

scenario(
  'migration status says which files are being moved',
  { mount: ['migrate-rate=1MiB'] },
  async (v) => {
    await put(v.at('deep/slow.bin'), noise(8 * MiB));
    await v.must('demote', v.at('deep/slow.bin'), '--to', 'hdd');
    const moving = async () => {
      const text = await v.must('migration', 'status', v.mountpoint, '--json');
      return (JSON.parse(text) as MigrationDocument).running.find(
        ({ path }) => path === '/deep/slow.bin',
      );
    };
    await waitFor('it is being moved', moving);
    assert.match(await v.must('migration', 'status', v.mountpoint), /\/deep\/slow\.bin/);
  },
);

scenario('who waits for a move is told that the mount became read-only', {}, async (v) => {
  await put(v.at('file'), noise(MiB));
  await v.must('migration', 'pause', v.mountpoint);
  const remount = (flag: string) => v.must('mount', v.path, v.mountpoint, '-o', `remount,${flag}`);
  const goOn = async () => {
    await remount('ro');
    await sleep(1000);
    await remount('rw');
    await v.must('migration', 'resume', v.mountpoint);
  };
  const said = await saidWhileWaiting(v, /moves are paused/, goOn);
  assert.match(said, /became read-only, so nothing moves; mount -o remount,rw/);
});

/** Databases and vector indexes keep what they committed, whoever is killed: the program or the daemon. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomChoices } from '../../scripts/fixtures/random-bytes.js';
import { seed } from '../seed.js';
import { checkout, scenario, type TestVolume } from './harness.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const CHILD = fileURLToPath(new URL('database-child.js', import.meta.url));
/** Installed by scripts/test. */
const MODULES = join(checkout, '.cache/databases/node_modules');
const SETTLE = 'settle=300ms';

interface Writer {
  kill(): Promise<void>;
  /** What it said was committed: one number a line. */
  committed(): number[];
}

function started(child: ChildProcess, log: string): Writer {
  child.stdout?.on('data', (data: Buffer) => {
    appendFileSync(log, data);
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  return {
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    // The last line may be torn: the writer was killed while it wrote it.
    committed: () => readFileSync(log, 'utf8').split('\n').slice(0, -1).filter(Boolean).map(Number),
  };
}

function startWriter(kind: string, path: string, log: string): Writer {
  writeFileSync(log, '');
  const args = [CHILD, kind, 'write', path, MODULES];
  return started(spawn('node', args, { stdio: ['ignore', 'pipe', 'ignore'] }), log);
}

async function inspect(kind: string, path: string): Promise<number[]> {
  const text = await must('node', [CHILD, kind, 'read', path, MODULES]);
  return JSON.parse(text) as number[];
}

/** Lets writers run for a while, each until it committed something, and kills them. */
async function runAndKill(writers: Writer[], pauseMs: number): Promise<void> {
  await waitFor('every writer commits', () => writers.every((one) => one.committed().length > 3));
  await sleep(pauseMs);
  await Promise.all(writers.map((writer) => writer.kill()));
}

async function killDaemon(volume: TestVolume, writers: Writer[], mount: string[]): Promise<void> {
  await waitFor('every writer commits', () => writers.every((one) => one.committed().length > 3));
  await volume.killDaemon();
  await Promise.all(writers.map((writer) => writer.kill()));
  await volume.removeDeadMount();
  await volume.mount(mount);
}

function allThere(found: number[], writers: Writer[]): void {
  const there = new Set(found);
  const missing = writers.flatMap((writer) => writer.committed()).filter((id) => !there.has(id));
  assert.deepEqual(missing, [], 'committed and gone');
}

/** Transactions of two tables, for as long as it lives; each says its number once it is committed. */
const SQLITE_WRITER = `
import sqlite3, sys
path, first = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path, timeout=60, isolation_level=None)
db.execute('PRAGMA synchronous=FULL')
for number in range(first, first + 1_000_000):
    db.execute('BEGIN IMMEDIATE')
    db.execute('INSERT INTO message VALUES (?, ?)', (number, 'text ' * (number % 300)))
    db.execute('UPDATE total SET count = count + 1')
    db.execute('COMMIT')
    print(number, flush=True)
`;

function startSqlite(path: string, first: number, log: string): Writer {
  writeFileSync(log, '');
  const args = ['-c', SQLITE_WRITER, path, String(first)];
  return started(spawn('python3', args, { stdio: ['ignore', 'pipe', 'ignore'] }), log);
}

async function sqliteIds(path: string): Promise<number[]> {
  assert.equal(await must('sqlite3', [path, 'PRAGMA integrity_check;']), 'ok\n');
  const totals = 'SELECT (SELECT count(*) FROM message) = (SELECT count FROM total);';
  assert.equal(await must('sqlite3', [path, totals]), '1\n');
  const ids = await must('sqlite3', [path, 'SELECT id FROM message;']);
  return ids.split('\n').filter(Boolean).map(Number);
}

for (const mount of [[SETTLE], [SETTLE, 'passthrough=off']]) {
  const name = `SQLite in WAL mode loses nothing that was committed (${mount.join()})`;
  scenario(`${name} (SEED=${String(seed)})`, { mount }, async (volume) => {
    const choose = randomChoices(seed);
    const path = volume.at('data/messages.db');
    await mkdir(volume.at('data'));
    const schema = `PRAGMA journal_mode=WAL; CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT);
      CREATE TABLE total (count INT); INSERT INTO total VALUES (0);`;
    await must('sqlite3', [path, schema]);
    for (let round = 0; round < 3; round++) {
      const writers = [0, 1, 2].map((index) =>
        startSqlite(
          path,
          (3 * round + index) * 1_000_000,
          join(volume.root, `log-${String(index)}`),
        ),
      );
      if (round === 2) await killDaemon(volume, writers, mount);
      else await runAndKill(writers, choose(1000));
      allThere(await sqliteIds(path), writers);
    }
    assert.equal((await volume.where('data/messages.db')).form, 'plain');
  });
}

for (const kind of ['lmdb', 'duckdb']) {
  const path = `data/store.${kind === 'lmdb' ? 'mdb' : 'duckdb'}`;
  const name = `${kind} loses nothing that was committed (SEED=${String(seed)})`;
  scenario(name, { mount: [SETTLE] }, async (volume) => {
    const choose = randomChoices(seed);
    await mkdir(volume.at('data'));
    const log = join(volume.root, 'log');
    for (let round = 0; round < 3; round++) {
      const writer = startWriter(kind, volume.at(path), log);
      if (round === 1) await killDaemon(volume, [writer], [SETTLE]);
      else await runAndKill([writer], choose(1000));
      allThere(await inspect(kind, volume.at(path)), [writer]);
    }
    const found = await inspect(kind, volume.at(path));
    await volume.demote(path);
    const { form, tier } = await volume.where(path);
    assert.deepEqual({ form, tier }, { form: 'plain', tier: 'hdd' });
    assert.deepEqual(await inspect(kind, volume.at(path)), found);
  });
}

scenario('a vector index answers the same wherever it lies', {}, async (volume) => {
  const path = 'vectors/words.usearch';
  await mkdir(volume.at('vectors'));
  const original = join(volume.root, 'original.usearch');
  for (const target of [original, volume.at(path)]) {
    await must('node', [CHILD, 'usearch', 'write', target, MODULES]);
  }
  const expected = await inspect('usearch', original);
  assert.ok(expected.length > 100);
  assert.deepEqual(await inspect('usearch', volume.at(path)), expected);
  await volume.waitUntil(path, { class: 'vector-index' });
  await volume.demote(path);
  assert.equal((await volume.where(path)).tier, 'hdd');
  assert.deepEqual(await inspect('usearch', volume.at(path)), expected);
  await volume.promote(path);
  assert.deepEqual(await inspect('usearch', volume.at(path)), expected);
});

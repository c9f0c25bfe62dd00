/** SQLite in WAL mode: shared memory, locks and fsync work, two processes write at once. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { scenario } from './harness.js';
import { must } from '../../scripts/lib/process.js';

const DATABASE = 'data/conversations/chat.db';
const ROWS = 200;

function insertScript(writer: number): string {
  const insert = (row: number) =>
    `INSERT INTO message (writer, body) VALUES (${String(writer)}, 'row ${String(row)}');`;
  return `.timeout 30000\n${Array.from({ length: ROWS }, (_, row) => insert(row)).join('\n')}\n`;
}

for (const mount of [[], ['passthrough=off']]) {
  scenario(
    `two processes write one WAL database (${mount.join() || 'passthrough'})`,
    { mount },
    async (volume) => {
      const path = volume.at(DATABASE);
      await mkdir(volume.at('data/conversations'), { recursive: true });
      const schema =
        'PRAGMA journal_mode=WAL; CREATE TABLE message (id INTEGER PRIMARY KEY, writer INT, body TEXT);';
      assert.match(await must('sqlite3', [path, schema]), /wal/);
      const write = (writer: number) => must('sqlite3', [path], { input: insertScript(writer) });
      await Promise.all([write(1), write(2)]);
      const count = 'SELECT writer, count(*) FROM message GROUP BY writer ORDER BY writer;';
      assert.equal(await must('sqlite3', [path, count]), `1|${String(ROWS)}\n2|${String(ROWS)}\n`);
      assert.equal(await must('sqlite3', [path, 'PRAGMA integrity_check;']), 'ok\n');
      assert.equal((await volume.where(DATABASE)).form, 'plain');
      await volume.remount(mount);
      assert.equal(await must('sqlite3', [path, 'PRAGMA integrity_check;']), 'ok\n');
      assert.equal(await must('sqlite3', [path, count]), `1|${String(ROWS)}\n2|${String(ROWS)}\n`);
    },
  );
}

scenario(
  'a database is kept plain however cold it is, and is called one',
  { mount: ['settle=300ms', 'cold-after=1s'] },
  async (volume) => {
    await mkdir(volume.at('data/conversations'), { recursive: true });
    await must('sqlite3', [volume.at(DATABASE), 'CREATE TABLE t (x); INSERT INTO t VALUES (1);']);
    await volume.waitUntil(DATABASE, { class: 'database' });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.equal((await volume.where(DATABASE)).form, 'plain');
  },
);

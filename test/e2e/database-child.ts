/**
 * Writes to a database until it is killed, saying each number once it is committed; or prints as JSON what a
 * database holds. A program of its own, so that it can be killed.
 * Arguments: lmdb, duckdb or usearch; write or read; path; where packages for tests are installed.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { open as openLmdb } from 'lmdb';
import { randomBytes } from '../../scripts/fixtures/random-bytes.js';

/** What is used of packages that are installed for tests only and have no types here. */
interface DuckModule {
  DuckDBInstance: { create(path: string): Promise<{ connect(): Promise<DuckConnection> }> };
}
interface DuckConnection {
  run(sql: string): Promise<unknown>;
  runAndReadAll(sql: string): Promise<{ getRows(): [number][] }>;
}
interface UsearchModule {
  Index: new (options: object) => UsearchIndex;
}
interface UsearchIndex {
  add(key: bigint, vector: Float32Array): void;
  save(path: string): void;
  view(path: string): void;
  search(vector: Float32Array, count: number, threads: number): { keys: BigUint64Array };
}

const [kind, mode, path, modules] = process.argv.slice(2);
const require = createRequire(join(modules, 'any.js'));

const say = (number: number): void => void writeSync(1, `${String(number)}\n`);
const print = (numbers: number[]): void => void writeSync(1, JSON.stringify(numbers));

async function lmdb(): Promise<void> {
  const database = openLmdb<string, number>({ path, overlappingSync: false });
  const keys = [...database.getKeys()];
  if (mode === 'read') {
    const wrong = keys.filter((key) => database.get(key) !== `value ${'x'.repeat(key % 500)}`);
    if (wrong.length > 0) throw new Error(`wrong values: ${wrong.join()}`);
    print(keys);
    return database.close();
  }
  for (let number = (keys.at(-1) ?? 0) + 1; ; number++) {
    await database.put(number, `value ${'x'.repeat(number % 500)}`);
    say(number);
  }
}

async function duckdb(): Promise<void> {
  const { DuckDBInstance } = require('@duckdb/node-api') as DuckModule;
  const connection = await (await DuckDBInstance.create(path)).connect();
  await connection.run('CREATE TABLE IF NOT EXISTS number (id INT, body VARCHAR)');
  const all = async (what: string) =>
    (await connection.runAndReadAll(`SELECT ${what} FROM number`))
      .getRows()
      .map(([value]) => value);
  if (mode === 'read') return print((await all('DISTINCT id')).sort((a, b) => a - b));
  const [last] = await all('coalesce(max(id), 0)');
  for (let number = last + 1; ; number++) {
    const rows = `SELECT ${String(number)}, 'body ' || i FROM range(500) r(i)`;
    await connection.run(`INSERT INTO number ${rows}`);
    say(number);
    if (number % 10 === 0) await connection.run('CHECKPOINT');
  }
}

const DIMENSIONS = 48;

function vectors(count: number, from: number): Float32Array[] {
  const source = randomBytes(from);
  return Array.from({ length: count }, () =>
    Float32Array.from(source.next(DIMENSIONS), (byte) => byte / 255),
  );
}

/** Nearest neighbours through a mapping of the index. */
function usearch(): void {
  const { Index } = require('usearch') as UsearchModule;
  const index = new Index({ metric: 'l2sq', dimensions: DIMENSIONS, connectivity: 16 });
  if (mode === 'write') {
    vectors(3000, 1).forEach((vector, key) => {
      index.add(BigInt(key), vector);
    });
    return index.save(path);
  }
  index.view(path);
  const found = vectors(40, 2).flatMap((vector) => [...index.search(vector, 5, 1).keys]);
  print(found.map(Number));
}

if (kind === 'lmdb') await lmdb();
else if (kind === 'duckdb') await duckdb();
else usearch();

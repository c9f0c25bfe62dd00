/**
 * A program that writes, fsyncs, renames and removes files at random below a directory, and logs what was
 * acknowledged, until its calls fail. The log lies elsewhere and is synced itself.
 *
 *   T path          is about to change: what it holds is open until the next line about it
 *   D path digest   holds exactly these bytes durably
 *   R path          is about to be removed
 *
 * Arguments: directory, log, seed, prefix of file names.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { randomBytes, randomChoices } from '../../scripts/fixtures/random-bytes.js';

const [directory, logPath, seedText, prefix] = process.argv.slice(2);
const seed = Number(seedText);
const choose = randomChoices(seed);
const bytes = randomBytes(seed + 1);
const log = openSync(logPath, 'a');
const mine: string[] = [];
let created = 0;

function note(...words: string[]): void {
  writeSync(log, `${words.join(' ')}\n`);
  fdatasyncSync(log);
}

function syncPath(path: string): void {
  const fd = openSync(join(directory, path), 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function writeFile(path: string): string {
  const data = bytes.next(1 + choose(choose(4) === 0 ? 3_000_000 : 20_000));
  const fd = openSync(join(directory, path), 'w');
  for (let done = 0; done < data.length;) done += writeSync(fd, data, done);
  fsyncSync(fd);
  closeSync(fd);
  return createHash('sha256').update(data).digest('hex');
}

function create(): void {
  const folder = `${prefix}/d${String(choose(4))}`;
  mkdirSync(join(directory, folder), { recursive: true });
  const path = `${folder}/f${String(created++)}`;
  const sum = writeFile(path);
  mine.push(path);
  note('D', path, sum);
}

/** Replaces a file the way careful programs do: write beside, fsync, rename over, fsync the directory. */
function replace(path: string): void {
  const sum = writeFile(`${path}.new`);
  note('T', path);
  renameSync(join(directory, `${path}.new`), join(directory, path));
  syncPath(path.slice(0, path.lastIndexOf('/')));
  note('D', path, sum);
}

function overwrite(path: string): void {
  note('T', path);
  note('D', path, writeFile(path));
}

function remove(path: string): void {
  note('R', path);
  unlinkSync(join(directory, path));
  mine.splice(mine.indexOf(path), 1);
}

function step(): void {
  const path = mine[choose(Math.max(1, mine.length))];
  const dice = choose(10);
  if (path === undefined || dice < 6) create();
  else if (dice < 8) replace(path);
  else if (dice < 9) overwrite(path);
  else remove(path);
}

try {
  for (;;) step();
} catch {
  process.exit(0);
}

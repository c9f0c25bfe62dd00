/** Packed files that are read in small steps: what comes next is in the page cache before it is asked for. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { startSyscalls, type Syscalls } from '../random/syscalls.js';
import { MiB, noise, prose, put } from './content.js';
import { scenario, type TestVolume } from './harness.js';

const MADV_RANDOM = 1;
const PAGE = 4096;
const SIZE = 24 * MiB + 100;
/** Fewer than the pages of the first window: with the kernel's own read-ahead off, none would follow. */
const STEPS = 64;

/** An open file stays packed. */
const QUIET = { mount: ['promote=never'] };

interface Mapped {
  calls: Syscalls;
  mapping: number;
}

async function packedFile(volume: TestVolume, name: string, data: Buffer): Promise<string> {
  await put(volume.at(name), data);
  await volume.demote(name);
  return volume.at(name);
}

/** Each touched page is a request of its own: the kernel reads nothing ahead. */
async function mapAtRandom(context: TestContext, path: string): Promise<Mapped> {
  const calls = startSyscalls(context);
  const fd = await calls.value<number>('open', path, constants.O_RDONLY);
  const mapping = await calls.value<number>('map', fd, SIZE, 0, false);
  await calls.value('mapAdvise', mapping, MADV_RANDOM);
  return { calls, mapping };
}

async function touch({ calls, mapping }: Mapped, data: Buffer, at: number): Promise<void> {
  const length = Math.min(PAGE, data.length - at);
  const got = await calls.take('mapRead', mapping, at, length);
  assert.ok(got.equals(data.subarray(at, at + length)), `bytes at ${String(at)}`);
}

async function touchInOrder(mapped: Mapped, data: Buffer, from: number, pages: number) {
  for (let page = 0; page < pages; page++) await touch(mapped, data, from + page * PAGE);
}

/** Page by page as well, but by the processor and in one call. */
async function compare({ calls, mapping }: Mapped, data: Buffer): Promise<void> {
  assert.ok((await calls.take('mapRead', mapping, 0, data.length)).equals(data));
}

async function residentPages({ calls, mapping }: Mapped, from: number, to: number) {
  const pages = await calls.take('mapResident', mapping);
  return pages.subarray(from / PAGE, Math.ceil(to / PAGE)).reduce((sum, page) => sum + page, 0);
}

/** Pushing happens beside what the program does. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isSo()) return;
    await new Promise((wake) => setTimeout(wake, 20));
  }
  assert.fail(`never: ${what}`);
}

scenario(
  'a mapping that is touched page by page in order finds its pages there',
  QUIET,
  async (volume, context) => {
    const data = Buffer.concat([noise(12 * MiB), prose(SIZE - 12 * MiB)]);
    const mapped = await mapAtRandom(context, await packedFile(volume, 'model', data));
    await touchInOrder(mapped, data, 0, STEPS);
    const end = STEPS * PAGE;
    await until(
      'pages ahead of it',
      async () => (await residentPages(mapped, end, end + MiB / 4)) > 60,
    );
    await compare(mapped, data);
    await mapped.calls.end();
  },
);

scenario(
  'the pages before it are there where a mapping is touched from its end down',
  QUIET,
  async (volume, context) => {
    const data = noise(SIZE, 3);
    const mapped = await mapAtRandom(context, await packedFile(volume, 'model', data));
    const start = 20 * MiB;
    for (let page = 1; page <= STEPS; page++) await touch(mapped, data, start - page * PAGE);
    const end = start - STEPS * PAGE;
    await until(
      'pages before it',
      async () => (await residentPages(mapped, end - MiB / 4, end)) > 60,
    );
    assert.equal(await residentPages(mapped, start, SIZE), 0);
    await compare(mapped, data);
    await mapped.calls.end();
  },
);

scenario(
  'two places of one file are read ahead of, touches here and there are not',
  QUIET,
  async (volume, context) => {
    const data = noise(SIZE, 2);
    const mapped = await mapAtRandom(context, await packedFile(volume, 'index', data));
    for (let page = 0; page < 200; page++) {
      await touch(mapped, data, ((page * 2_654_435_761) % Math.floor(SIZE / PAGE)) * PAGE);
    }
    assert.ok((await residentPages(mapped, 0, SIZE)) <= 200);
    const [low, high] = [4 * MiB, 16 * MiB];
    for (let page = 0; page < STEPS; page++) {
      await touch(mapped, data, low + page * PAGE);
      await touch(mapped, data, high + page * PAGE);
    }
    for (const start of [low, high]) {
      const end = start + STEPS * PAGE;
      await until(
        'pages ahead of each',
        async () => (await residentPages(mapped, end, end + MiB / 4)) > 60,
      );
    }
    await mapped.calls.end();
  },
);

/** Goes some way up: much is on its way into the page cache then. */
async function readSome({ calls, mapping }: Mapped, data: Buffer): Promise<void> {
  for (let at = 0; at < 7 * MiB; at += 16 * PAGE) {
    const got = await calls.take('mapRead', mapping, at, 16 * PAGE);
    assert.ok(got.equals(data.subarray(at, at + 16 * PAGE)), `bytes at ${String(at)}`);
  }
}

scenario(
  'a file is read in small steps while a writer waits for it',
  QUIET,
  async (volume, context) => {
    const data = noise(SIZE, 4);
    const path = await packedFile(volume, 'model', data);
    const mapped = await mapAtRandom(context, path);
    let isOpen = false;
    const writer = open(path, 'r+').finally(() => (isOpen = true));
    // The first read comes while it is being hydrated.
    await new Promise((wake) => setTimeout(wake, 15));
    for (let page = 0; !isOpen; page = (page + 1) % 5000) await touch(mapped, data, page * PAGE);
    await (await writer).close();
    await compare(mapped, data);
    await mapped.calls.end();
  },
);

scenario(
  'what is pushed ahead never covers what a program writes',
  QUIET,
  async (volume, context) => {
    for (const round of [0, 1]) {
      const data = noise(SIZE, 10 + round);
      const path = await packedFile(volume, `changed${String(round)}`, data);
      const mapped = await mapAtRandom(context, path);
      await readSome(mapped, data);
      // The file is hydrated while pages of its packed form are on their way.
      const file = await open(path, 'r+');
      for (let at = 0; at + PAGE <= SIZE; at += 64 * PAGE) {
        await file.write(data, SIZE - at - PAGE, PAGE, at);
        data.copy(data, at, SIZE - at - PAGE, SIZE - at);
      }
      await compare(mapped, data);
      await file.close();
      await mapped.calls.end();
      assert.ok((await readFile(path)).equals(data));
    }
  },
);

scenario(
  'what is pushed ahead never comes back into a file that is written anew',
  QUIET,
  async (volume, context) => {
    const old = noise(SIZE, 20);
    for (let round = 0; round < 8; round++) {
      const path = await packedFile(volume, `anew${String(round)}`, old);
      const mapped = await mapAtRandom(context, path);
      await readSome(mapped, old);
      const fresh = noise(SIZE - round * 3 * MiB, 30 + round);
      await writeFile(path, fresh);
      assert.equal((await stat(path)).size, fresh.length);
      assert.ok((await readFile(path)).equals(fresh));
      await mapped.calls.end();
    }
  },
);

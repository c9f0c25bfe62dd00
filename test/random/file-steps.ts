/** What programs do to one file, at random: each step changes the file and its model alike. */
import {
  LIMIT,
  O_APPEND,
  O_DIRECT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  PAGE,
  type FileWorld,
  type Handle,
  type Mapping,
  type Subject,
} from './file-world.js';
import { pickWeighted, type Weighted } from './randomness.js';
import { SyscallError } from './syscalls.js';

type Step = (world: FileWorld, subject: Subject) => Promise<void>;

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const LONGEST = 200_000;
/** Mapped, at most: files are larger, so that mappings differ. */
const LONGEST_MAP = 600_000;

const pages = (bytes: number): number => Math.floor(bytes / PAGE) * PAGE;
const isDirect = (handle: Handle): boolean => (handle.flags & O_DIRECT) !== 0;

/** A range that begins below `end` and stays below the limit; whole pages for O_DIRECT. */
function range(world: FileWorld, end: number, direct = false) {
  const { chance } = world;
  const offset = chance.below(Math.min(end, LIMIT - 1) + 1);
  const length = 1 + chance.skewed(Math.min(LONGEST, LIMIT - offset));
  if (!direct) return { offset, length };
  const start = pages(offset);
  return { offset: start, length: Math.min(pages(length) + PAGE, pages(LIMIT - start)) };
}

/** Mostly within the file, at times beyond its end. */
const somewhere = (world: FileWorld, { model }: Subject): number =>
  world.chance.oneIn(4) ? Math.min(model.size + 100_000, LIMIT - PAGE) : model.size;

async function read(world: FileWorld, subject: Subject): Promise<void> {
  const handle = await world.reader(subject);
  const { offset, length } = range(world, somewhere(world, subject), isDirect(handle));
  world.journal.note(subject.name, 'read', handle.fd, offset, length);
  const actual = await world.calls.take('pread', handle.fd, length, offset);
  world.compare(subject, actual, offset, length, isDirect(handle) ? 'O_DIRECT read' : 'read');
}

async function write(world: FileWorld, subject: Subject): Promise<void> {
  const handle = await world.writer(subject);
  const { offset, length } = range(world, somewhere(world, subject), isDirect(handle));
  world.journal.note(subject.name, 'write', handle.fd, offset, length);
  const data = world.chance.bytes.next(length);
  const written = await world.calls.give<number>('pwrite', data, handle.fd, offset);
  subject.model.write(offset, data.subarray(0, written));
}

async function append(world: FileWorld, subject: Subject): Promise<void> {
  const fits = ({ flags }: Handle) => (flags & O_APPEND) !== 0;
  const handle = await world.handle(subject, fits, O_RDWR | O_APPEND);
  const length = 1 + world.chance.skewed(20_000);
  if (subject.model.size + length > LIMIT) return;
  world.journal.note(subject.name, 'append', handle.fd, length);
  const data = world.chance.bytes.next(length);
  const written = await world.calls.give<number>('append', data, handle.fd);
  subject.model.write(subject.model.size, data.subarray(0, written));
}

async function truncate(world: FileWorld, subject: Subject): Promise<void> {
  const { chance, calls } = world;
  const size = chance.oneIn(8) ? 0 : chance.below(Math.min(subject.model.size + 50_000, LIMIT));
  if (chance.oneIn(2)) {
    world.journal.note(subject.name, 'truncate', size);
    await calls.value('truncate', subject.path, size);
  } else {
    const { fd } = await world.writer(subject);
    world.journal.note(subject.name, 'ftruncate', fd, size);
    await calls.value('ftruncate', fd, size);
  }
  subject.model.truncate(size);
}

/** Preallocates, zeroes or punches. */
async function allocate(world: FileWorld, subject: Subject): Promise<void> {
  const { chance, calls } = world;
  const { fd } = await world.writer(subject);
  const { offset, length } = range(world, somewhere(world, subject));
  const modes = [0, KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE];
  const mode = chance.pick(modes);
  world.journal.note(subject.name, 'fallocate', fd, mode, offset, length);
  await calls.value('fallocate', fd, mode, offset, length);
  if ((mode & ~KEEP_SIZE) !== 0) subject.model.zero(offset, length);
  if ((mode & KEEP_SIZE) === 0) subject.model.extend(offset + length);
}

async function copyRange(world: FileWorld, target: Subject): Promise<void> {
  const { chance, calls } = world;
  const source = chance.pick(world.subjects);
  const from = await world.reader(source);
  const to = await world.writer(target);
  const at = chance.below(source.model.size + 1);
  const into = chance.below(Math.min(target.model.size, LIMIT - 1) + 1);
  // Within one file the ranges must not overlap.
  const room = source === target ? Math.abs(at - into) : LIMIT;
  const length = Math.min(chance.below(LONGEST), room, LIMIT - into);
  if (length === 0 || isDirect(from) || isDirect(to)) return;
  world.journal.note(target.name, 'copy', source.name, from.fd, at, to.fd, into, length);
  const copied = await calls.value<number>('copyRange', from.fd, at, to.fd, into, length);
  target.model.write(into, Buffer.from(source.model.read(at, copied)));
}

async function map(world: FileWorld, subject: Subject): Promise<Mapping | null> {
  const { chance, calls } = world;
  if (subject.model.size === 0) return null;
  const writable = chance.oneIn(2);
  const { fd } = writable ? await world.writer(subject) : await world.reader(subject);
  const offset = pages(chance.below(subject.model.size));
  const length = 1 + chance.below(Math.min(subject.model.size - offset, LONGEST_MAP));
  world.journal.note(subject.name, writable ? 'map rw' : 'map r', fd, offset, length);
  const id = await calls.value<number>('map', fd, length, offset, writable);
  const mapping = { id, offset, length, writable };
  subject.maps.push(mapping);
  return mapping;
}

async function mapOrUnmap(world: FileWorld, subject: Subject): Promise<void> {
  if (subject.maps.length >= 3) await world.unmap(subject, world.chance.pick(subject.maps));
  else await map(world, subject);
}

/** A part of a mapping that the file still reaches: beyond its end is SIGBUS. */
function mapped(world: FileWorld, subject: Subject, mapping: Mapping) {
  const reach = Math.min(mapping.length, subject.model.size - mapping.offset);
  if (reach <= 0) return null;
  const start = world.chance.below(reach);
  return { start, length: 1 + world.chance.skewed(Math.min(reach - start, LONGEST)) };
}

async function mapRead(world: FileWorld, subject: Subject): Promise<void> {
  const mapping = subject.maps.length > 0 ? world.chance.pick(subject.maps) : null;
  const part = mapping && mapped(world, subject, mapping);
  if (!mapping || !part) return;
  world.journal.note(subject.name, 'mapread', mapping.id, part.start, part.length);
  const actual = await world.calls.take('mapRead', mapping.id, part.start, part.length);
  world.compare(subject, actual, mapping.offset + part.start, part.length, 'mapped read');
}

async function mapWrite(world: FileWorld, subject: Subject): Promise<void> {
  const writable = subject.maps.filter((mapping) => mapping.writable);
  const mapping = writable.length > 0 ? world.chance.pick(writable) : null;
  const part = mapping && mapped(world, subject, mapping);
  if (!mapping || !part) return;
  world.journal.note(subject.name, 'mapwrite', mapping.id, part.start, part.length);
  const data = world.chance.bytes.next(part.length);
  await world.calls.give('mapWrite', data, mapping.id, part.start);
  subject.model.write(mapping.offset + part.start, data);
  if (world.chance.oneIn(4)) await world.calls.value('mapSync', mapping.id);
}

async function openAnother(world: FileWorld, subject: Subject): Promise<void> {
  const { chance } = world;
  if (subject.handles.length >= 3) await world.close(subject, chance.pick(subject.handles));
  const ways = [O_RDONLY, O_RDONLY, O_RDWR, O_RDWR | O_DIRECT, O_RDONLY | O_DIRECT];
  await world.open(subject, chance.oneIn(40) ? O_RDWR | O_TRUNC : chance.pick(ways));
}

async function closeOne(world: FileWorld, subject: Subject): Promise<void> {
  const { handles } = subject;
  if (world.chance.oneIn(3)) await world.closeAll(subject);
  else if (handles.length > 0) await world.close(subject, world.chance.pick(handles));
}

async function sync(world: FileWorld, subject: Subject): Promise<void> {
  const { fd } = await world.reader(subject);
  const call = world.chance.pick(['fsync', 'fdatasync']);
  world.journal.note(subject.name, call, fd);
  await world.calls.value(call, fd);
}

async function dropPages(world: FileWorld, subject: Subject): Promise<void> {
  const { fd } = await world.reader(subject);
  world.journal.note(subject.name, 'drop pages', fd);
  await world.calls.value('dropPages', fd);
}

/** A hole must be zeros, and what lies between data is right only if nothing was skipped. */
async function seek(world: FileWorld, subject: Subject): Promise<void> {
  const { fd } = await world.reader(subject);
  const { model } = subject;
  const offset = world.chance.below(model.size + 10);
  world.journal.note(subject.name, 'seek', fd, offset);
  const find = (whence: number) =>
    world.calls.value<number>('seek', fd, offset, whence).catch((error: unknown) => {
      if (error instanceof SyscallError && error.code === 'ENXIO') return null;
      throw error;
    });
  const data = await find(SEEK_DATA);
  const hole = await find(SEEK_HOLE);
  if (!model.isZero(offset, data ?? model.size)) {
    throw new Error(
      `${subject.name}: SEEK_DATA from ${String(offset)} skips data: ${String(data)}`,
    );
  }
  const possible = offset >= model.size ? hole === null : hole !== null && hole <= model.size;
  if (!possible)
    throw new Error(`${subject.name}: SEEK_HOLE from ${String(offset)}: ${String(hole)}`);
}

async function size(world: FileWorld, subject: Subject): Promise<void> {
  const { fd } = await world.reader(subject);
  const actual = await world.calls.value<number>('size', fd);
  if (actual !== subject.model.size) {
    const sizes = `${String(actual)} instead of ${String(subject.model.size)}`;
    throw new Error(`${subject.name}: fstat says ${sizes} bytes`);
  }
}

const STEPS: Weighted<Step> = [
  [14, read],
  [14, write],
  [3, append],
  [7, truncate],
  [10, allocate],
  [6, copyRange],
  [6, mapOrUnmap],
  [12, mapRead],
  [12, mapWrite],
  [6, openAnother],
  [4, closeOne],
  [3, sync],
  [3, dropPages],
  [4, seek],
  [4, size],
];

/** One random step on one random file. */
export async function fileStep(world: FileWorld): Promise<void> {
  await pickWeighted(world.chance, STEPS)(world, world.chance.pick(world.subjects));
}

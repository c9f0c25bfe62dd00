/** What happens to files behind the back of the programs that use them: moves, remounts, crashes. */
import { sleep } from '../../scripts/lib/process.js';
import type { FileWorld, Subject } from './file-world.js';
import { pickWeighted, type Weighted } from './randomness.js';

type Event = (world: FileWorld, subject: Subject) => Promise<void>;

/** Mount options of which each mount takes one line. */
const MOUNTS = [
  ['settle=200ms'],
  ['settle=200ms', 'passthrough=off'],
  ['settle=100ms', 'promote=open'],
  ['settle=100ms', 'promote=open', 'passthrough=off'],
  ['settle=200ms', 'cold-after=1s', 'half-life=1s', 'promote=open'],
];

async function move(world: FileWorld, subject: Subject, verb: string, wait: boolean) {
  const to = verb === 'demote' ? world.chance.pick(['ssd', 'hdd']) : 'nvme';
  world.journal.note(subject.name, verb, to, wait ? '--wait' : '');
  if (wait) await world.closeAll(subject);
  const flags = wait ? ['--wait'] : [];
  await world.volume.must(verb, subject.path, '--to', to, ...flags);
  const { form } = await world.volume.where(subject.name);
  world.seen.add(form);
}

const demoted: Event = async (world, subject) => {
  await move(world, subject, 'demote', true);
  if (world.chance.oneIn(2)) await world.check(subject, 'after demote');
};

const promoted: Event = async (world, subject) => {
  await move(world, subject, 'promote', true);
  if (world.chance.oneIn(2)) await world.check(subject, 'after promote');
};

const movedBehindPrograms: Event = (world, subject) =>
  move(world, subject, world.chance.pick(['demote', 'promote']), false);

const settled: Event = async (world, subject) => {
  await world.closeAll(subject);
  world.journal.note('pause');
  await sleep(400);
  await world.check(subject, 'after settling');
};

async function closeEverything(world: FileWorld): Promise<string[]> {
  for (const subject of world.subjects) await world.closeAll(subject);
  return world.chance.pick(MOUNTS);
}

const remounted: Event = async (world) => {
  const options = await closeEverything(world);
  world.journal.note('remount', options.join());
  await world.volume.remount(options);
  await world.checkAll('after remount');
};

/** What was written lies in the page cache of the tier, which outlives the daemon: nothing may be missing. */
const crashed: Event = async (world) => {
  const options = await closeEverything(world);
  if (world.chance.oneIn(2)) await movedBehindPrograms(world, world.subjects[0]);
  world.journal.note('kill -9', options.join());
  await world.volume.killDaemon();
  await world.volume.removeDeadMount();
  await world.volume.mount(options);
  await world.checkAll('after kill -9');
};

const EVENTS: Weighted<Event> = [
  [4, demoted],
  [3, promoted],
  [4, movedBehindPrograms],
  [2, settled],
  [2, remounted],
  [2, crashed],
];

/** Packs every file, so that no run goes without. */
export async function packAll(world: FileWorld): Promise<void> {
  for (const subject of world.subjects) await demoted(world, subject);
}

export async function fileEvent(world: FileWorld): Promise<void> {
  await pickWeighted(world.chance, EVENTS)(world, world.chance.pick(world.subjects));
}

/** What happens to a tree between the calls: fsync, looking, moves, remounts, crashes. */
import { sleep } from '../../scripts/lib/process.js';
import { pickWeighted, type Weighted } from './randomness.js';
import { kindOf, type FileStat } from './tree-picture.js';
import { namespaceStep } from './tree-steps.js';
import { errnoOf, type TreeWorld } from './tree-world.js';

type Event = (world: TreeWorld) => Promise<void>;

const MOUNTS = [
  ['settle=200ms'],
  ['settle=100ms', 'passthrough=off'],
  ['settle=100ms', 'cold-after=1s', 'half-life=1s', 'promote=open'],
];

/** Whatever is synced: the changes before become durable in their order. */
const synced: Event = async (world) => {
  const paths = [...world.tree.places()]
    .filter(({ number }) => ['file', 'directory'].includes(world.tree.node(number).kind))
    .map((place) => world.path(place));
  const path = paths.length === 0 ? world.volume.mountpoint : world.chance.pick(paths);
  world.journal.note('fsync', path);
  await world.calls.value('syncPath', path);
  world.durable();
};

/** One directory's names, and the attributes of one of them. */
const looked: Event = async (world) => {
  const { tree, calls, chance } = world;
  const directory = chance.pick(world.directories());
  const names = await calls.value<string[]>('readdir', world.full(tree.directoryPath(directory)));
  const expected = [...tree.node(directory).entries.keys()].sort();
  if (names.sort().join('/') !== expected.join('/')) {
    throw new Error(`readdir gives ${names.join(', ')} instead of ${expected.join(', ')}`);
  }
  if (names.length > 0) await lookedAt(world, directory, chance.pick(names));
};

async function lookedAt(world: TreeWorld, directory: number, name: string): Promise<void> {
  const { tree, calls } = world;
  const number = tree.at({ directory, name })!;
  const node = tree.node(number);
  const path = world.path({ directory, name });
  const stat = await calls.value<FileStat>('lstat', path);
  const facts: unknown[] = [kindOf(stat.mode), stat.nlink, stat.uid, stat.gid];
  const expected: unknown[] = [node.kind, tree.links(number), node.uid, node.gid];
  if (node.mtimeNs !== null) {
    facts.push(stat.mtimeNs);
    expected.push(node.mtimeNs);
  }
  if (facts.join() !== expected.join()) {
    throw new Error(`lstat of ${path} gives ${facts.join()} instead of ${expected.join()}`);
  }
}

async function move(world: TreeWorld, wait: boolean): Promise<void> {
  const verb = world.chance.pick(['demote', 'demote', 'promote']);
  const to = verb === 'demote' ? world.chance.pick(['ssd', 'hdd']) : 'nvme';
  world.journal.note(verb, to, wait ? '--wait' : '');
  const flags = wait ? ['--wait'] : [];
  await world.volume.must(verb, world.volume.mountpoint, '--to', to, ...flags);
  if (wait) await world.check(`after ${verb}`);
}

const moved: Event = (world) => move(world, true);
const movedBehindPrograms: Event = (world) => move(world, false);

const remounted: Event = async (world) => {
  const options = world.chance.pick(MOUNTS);
  world.journal.note('remount', options.join());
  await world.volume.remount(options);
  world.durable();
  await world.check('after remount');
};

/** The daemon dies while nothing, or one call, is on its way. */
const crashed: Event = async (world) => {
  const options = world.chance.pick(MOUNTS);
  if (world.chance.oneIn(2)) await movedBehindPrograms(world);
  const attempt = world.chance.oneIn(2) ? namespaceStep(world) : null;
  world.journal.note('kill -9', ...(attempt?.words ?? []), options.join());
  const call = attempt === null ? null : errnoOf(attempt.make());
  if (world.chance.oneIn(2)) await sleep(world.chance.below(20));
  await world.volume.killDaemon();
  await call;
  if (attempt !== null) world.apply(attempt);
  await world.volume.removeDeadMount();
  await world.volume.mount(options);
  await world.fallBack();
  if (world.chance.oneIn(3)) await world.volume.must('fsck', world.volume.mountpoint);
};

const EVENTS: Weighted<Event> = [
  [8, synced],
  [60, looked],
  [1, moved],
  [2, movedBehindPrograms],
  [1, remounted],
  [2, crashed],
];

export const treeEvent: Event = (world) => pickWeighted(world.chance, EVENTS)(world);

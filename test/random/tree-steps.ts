/** What programs do to a tree, at random, with calls that must fail among them. */
import { constants } from 'node:fs';
import { pickWeighted, type Chance, type Weighted } from './randomness.js';
import {
  EXCHANGE,
  NOREPLACE,
  XATTR_CREATE,
  XATTR_REPLACE,
  type Kind,
  type Place,
} from './tree-model.js';
import type { Attempt, TreeWorld } from './tree-world.js';

type Step = (world: TreeWorld) => Attempt | null;

const NAMES = ['a', 'b', 'c', 'd', 'e.txt', 'f g', 'h.gguf', 'ü ñ 文', `${'n'.repeat(251)}.bin`];
const XATTRS = ['user.a', 'user.b', 'trusted.c', `user.${'x'.repeat(250)}`];
const MANY_DIRECTORIES = 20;

function somewhere(world: TreeWorld): Place {
  const { chance } = world;
  return { directory: chance.pick(world.directories()), name: chance.pick(NAMES) };
}

/** A name that is there, most of the time; only of some kinds, if given. */
function present(world: TreeWorld, kinds?: Kind[]): Place | null {
  const { tree, chance } = world;
  const places = [...tree.places()].filter(
    ({ number }) => kinds === undefined || kinds.includes(tree.node(number).kind),
  );
  if (kinds === undefined && (places.length === 0 || chance.oneIn(8))) return somewhere(world);
  return places.length === 0 ? null : chance.pick(places);
}

const mode = (chance: Chance): number => chance.pick([0o644, 0o600, 0o755, 0o777, 0o400, 0]);

function adder(call: string, kind: Kind): Step {
  return (world) => {
    if (kind === 'directory' && world.directories().length > MANY_DIRECTORIES) return null;
    const place = somewhere(world);
    const path = world.path(place);
    const bits = mode(world.chance);
    return {
      words: [call, world.tree.path(place), bits.toString(8)],
      make: () => world.calls.value(call, path, bits),
      model: (tree) => tree.add(place, kind, bits),
    };
  };
}

const symlink: Step = (world) => {
  const place = somewhere(world);
  const target = world.chance.oneIn(10) ? 't'.repeat(4095) : `../${world.chance.pick(NAMES)}`;
  const path = world.path(place);
  return {
    words: ['symlink', world.tree.path(place)],
    make: () => world.calls.value('symlink', target, path),
    model: (tree) => tree.add(place, 'symlink', 0o777, target),
  };
};

const link: Step = (world) => {
  const source = present(world) ?? somewhere(world);
  const target = somewhere(world);
  const paths = [world.path(source), world.path(target)];
  return {
    words: ['link', world.tree.path(source), world.tree.path(target)],
    make: () => world.calls.value('link', ...paths),
    model: (tree) => tree.link(source, target),
  };
};

const rename: Step = (world) => {
  const source = present(world) ?? somewhere(world);
  const target = world.chance.oneIn(2) ? somewhere(world) : (present(world) ?? somewhere(world));
  const flags = world.chance.pick([0, 0, 0, NOREPLACE, EXCHANGE]);
  const paths = [world.path(source), world.path(target)];
  return {
    words: ['rename', world.tree.path(source), world.tree.path(target), flags],
    make: () => world.calls.value('rename', ...paths, flags),
    model: (tree) => tree.rename(source, target, flags),
  };
};

function remover(call: 'unlink' | 'rmdir'): Step {
  return (world) => {
    const place = present(world) ?? somewhere(world);
    const path = world.path(place);
    return {
      words: [call, world.tree.path(place)],
      make: () => world.calls.value(call, path),
      model: (tree) => tree[call](place),
    };
  };
}

const shortened = (world: TreeWorld, path: string): string =>
  path.slice(world.volume.mountpoint.length + 1);

/** Attributes of what a name stands for; null where there is nothing of these kinds. */
function changer(
  kinds: Kind[],
  change: (world: TreeWorld, path: string, number: number) => Attempt,
): Step {
  return (world) => {
    const place = present(world, kinds);
    const number = place === null ? undefined : world.tree.at(place);
    if (place === null || number === undefined) return null;
    return change(world, world.path(place), number);
  };
}

const chmod = changer(['file', 'directory', 'fifo'], (world, path, number) => {
  const bits = mode(world.chance);
  return {
    words: ['chmod', shortened(world, path), bits.toString(8)],
    make: () => world.calls.value('chmod', path, bits),
    model: (tree) => {
      tree.node(number).mode = bits;
      return null;
    },
  };
});

const chown = changer(['file', 'directory', 'fifo', 'symlink'], (world, path, number) => {
  const [uid, gid] = [world.chance.below(70_000), world.chance.below(3)];
  return {
    words: ['chown', shortened(world, path), uid, gid],
    make: () => world.calls.value('chown', path, uid, gid),
    model: (tree) => {
      Object.assign(tree.node(number), { uid, gid });
      return null;
    },
  };
});

const utimens = changer(['file', 'directory', 'fifo', 'symlink'], (world, path, number) => {
  const time = String(BigInt(world.chance.between(-1000, 4_000_000_000)) * 1_000_000_007n);
  return {
    words: ['utimens', shortened(world, path), time],
    make: () => world.calls.value('utimens', path, '1', time),
    model: (tree) => {
      tree.node(number).mtimeNs = time;
      return null;
    },
  };
});

const setxattr = changer(['file', 'directory', 'fifo', 'symlink'], (world, path, number) => {
  const { chance } = world;
  const name = chance.pick(XATTRS);
  const value = chance.bytes.next(chance.oneIn(20) ? 60_000 : chance.below(100));
  const flags = chance.pick([0, 0, XATTR_CREATE, XATTR_REPLACE]);
  return {
    words: ['setxattr', shortened(world, path), name, value.length, flags],
    make: () => world.calls.give('setxattr', value, path, name, flags),
    model: (tree) => tree.setXattr(number, name, value.toString('hex'), flags),
  };
});

const removexattr = changer(['file', 'directory', 'fifo', 'symlink'], (world, path, number) => {
  const name = world.chance.pick(XATTRS);
  return {
    words: ['removexattr', shortened(world, path), name],
    make: () => world.calls.value('removexattr', path, name),
    model: (tree) => tree.removeXattr(number, name),
  };
});

/** A new content from an old one, for the model and the contents beside it. */
function contentStep(world: TreeWorld, number: number, content: () => Buffer): Attempt['model'] {
  return (tree) => {
    tree.node(number).mtimeNs = null;
    world.contents.set(number, content());
    return null;
  };
}

const contentOf = (world: TreeWorld, number: number): Buffer =>
  world.contents.get(number) ?? Buffer.alloc(0);

const write = changer(['file'], (world, path, number) => {
  const { chance } = world;
  const old = contentOf(world, number);
  const flags = constants.O_WRONLY | (chance.oneIn(3) ? constants.O_TRUNC : 0);
  const kept = (flags & constants.O_TRUNC) !== 0 ? Buffer.alloc(0) : old;
  const offset = chance.below(kept.length + 1000);
  const data = chance.bytes.next(1 + chance.skewed(chance.oneIn(10) ? 400_000 : 8000));
  return {
    words: ['write', shortened(world, path), flags.toString(8), offset, data.length],
    data: true,
    make: () => world.calls.give('writeFile', data, path, flags, offset),
    model: contentStep(world, number, () => {
      const size = Math.max(kept.length, offset + data.length);
      const content = Buffer.concat([kept, Buffer.alloc(size - kept.length)]);
      data.copy(content, offset);
      return content;
    }),
  };
});

const truncate = changer(['file'], (world, path, number) => {
  const old = contentOf(world, number);
  const size = world.chance.oneIn(3) ? 0 : world.chance.below(old.length + 5000);
  return {
    words: ['truncate', shortened(world, path), size],
    data: true,
    make: () => world.calls.value('truncate', path, size),
    model: contentStep(world, number, () =>
      Buffer.concat([old.subarray(0, size), Buffer.alloc(Math.max(0, size - old.length))]),
    ),
  };
});

const NAMESPACE_STEPS: Weighted<Step> = [
  [14, adder('create', 'file')],
  [6, adder('mkdir', 'directory')],
  [2, adder('mkfifo', 'fifo')],
  [4, symlink],
  [8, link],
  [16, rename],
  [8, remover('unlink')],
  [4, remover('rmdir')],
  [5, chmod],
  [4, chown],
  [5, utimens],
  [5, setxattr],
  [3, removexattr],
];

const DATA_STEPS: Weighted<Step> = [
  [14, write],
  [4, truncate],
];

export const namespaceStep = (world: TreeWorld): Attempt | null =>
  pickWeighted(world.chance, NAMESPACE_STEPS)(world);

export const treeStep = (world: TreeWorld): Attempt | null =>
  pickWeighted(world.chance, [...NAMESPACE_STEPS, ...DATA_STEPS])(world);

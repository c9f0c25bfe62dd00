/**
 * A mount beside its model, and the history that a crash may fall back to: changes become durable in order,
 * so what is found afterwards must be the tree as it was after some operation since the last fsync.
 */
import type { TestVolume } from '../e2e/harness.js';
import { Journal, type Chance } from './randomness.js';
import { SyscallError, type Syscalls } from './syscalls.js';
import { ROOT, Tree, type Errno, type Place } from './tree-model.js';
import { differences, pictureOfModel, pictureOfMount, type Contents } from './tree-picture.js';

/** One call, and what it must do. */
export interface Attempt {
  words: (string | number)[];
  make: () => Promise<unknown>;
  model: (tree: Tree) => Errno;
  /** Changes what a file holds: a crash in the middle may leave a part of it. */
  data?: boolean;
}

export class TreeWorld {
  tree = Tree.empty();
  readonly contents: Contents = new Map();
  readonly journal = new Journal();
  /** Trees that a crash may leave, oldest first; the last one is as things are. */
  private history: Tree[] = [Tree.empty()];

  constructor(
    readonly volume: TestVolume,
    readonly calls: Syscalls,
    readonly chance: Chance,
  ) {}

  full(path: string): string {
    return path === '' ? this.volume.mountpoint : this.volume.at(path);
  }

  path(place: Place): string {
    return this.full(this.tree.path(place));
  }

  directories(): number[] {
    const found = [ROOT];
    for (const { number } of this.tree.places()) {
      if (this.tree.node(number).kind === 'directory') found.push(number);
    }
    return found;
  }

  /** Makes the call and holds what it did against the model. */
  async attempt(attempt: Attempt): Promise<void> {
    this.journal.note(...attempt.words);
    const actual = await errnoOf(attempt.make());
    const expected = this.apply(attempt);
    if (actual !== expected) {
      const words = attempt.words.join(' ');
      throw new Error(`${words}: ${actual ?? 'done'} instead of ${expected ?? 'done'}`);
    }
  }

  /** The model alone. */
  apply({ model }: Attempt): Errno {
    const errno = model(this.tree);
    if (errno === null) this.history.push(this.tree.clone());
    return errno;
  }

  /** Everything so far survives whatever comes. */
  durable(): void {
    this.history = [this.tree.clone()];
    const alive = new Set([...this.tree.places()].map(({ number }) => number));
    for (const number of this.contents.keys()) {
      if (!alive.has(number)) this.contents.delete(number);
    }
  }

  async check(when: string): Promise<void> {
    const expected = pictureOfModel(this.tree, this.contents);
    const actual = await pictureOfMount(this.calls, this.volume.mountpoint);
    const wrong = differences(expected, actual);
    if (wrong !== '' || expected.length !== actual.length) {
      throw new Error(`the tree differs ${when}:\n${wrong}`);
    }
  }

  /** After a crash: goes back to the latest tree that is the one on the mount. */
  async fallBack(): Promise<void> {
    const actual = await pictureOfMount(this.calls, this.volume.mountpoint);
    const text = actual.join('\n');
    const matches = (tree: Tree): boolean =>
      pictureOfModel(tree, this.contents).join('\n') === text;
    const found = this.history.findLastIndex(matches);
    if (found < 0) {
      const closest = differences(pictureOfModel(this.history[0], this.contents), actual);
      const latest = differences(pictureOfModel(this.tree, this.contents), actual);
      const count = String(this.history.length);
      throw new Error(
        `after a crash: none of ${count} states\nthe durable one:\n${closest}\nthe last:\n${latest}`,
      );
    }
    this.journal.note('found state', found, 'of', this.history.length);
    this.tree = this.history[found].clone();
    // The times of files that were not settled are those of the tier, which may be newer.
    for (const { number } of this.tree.places()) this.tree.node(number).mtimeNs = null;
    this.durable();
  }
}

export function errnoOf(call: Promise<unknown>): Promise<Errno> {
  return call.then(
    () => null,
    (error: unknown) => {
      if (error instanceof SyscallError) return error.code;
      throw error;
    },
  );
}

/** Files with several names: the first name is copied, the others are linked to that copy. */
import type { Entry } from './entry.js';

interface First {
  /** Where the copy is; undefined while it is made. */
  target: string | undefined;
  /** Names that wait for the copy. */
  waiting: Entry[];
  /** Names that may still come. */
  left: number;
}

const NONE: readonly Entry[] = [];

export class HardLinks {
  /** By device and inode, until all names were seen. */
  private readonly firsts = new Map<string, First>();

  /**
   * What is to be done with one more name: copy it as the first one, or link it to `target`. Undefined: it waits for
   * `copied` or `lost` of the first one.
   */
  name(entry: Entry): 'copy' | { target: string } | undefined {
    if (entry.nlink < 2) return 'copy';
    const first = this.firsts.get(keyOf(entry));
    if (first === undefined) {
      this.firsts.set(keyOf(entry), { target: undefined, waiting: [], left: entry.nlink - 1 });
      return 'copy';
    }
    first.left -= 1;
    if (first.target === undefined) {
      first.waiting.push(entry);
      return undefined;
    }
    this.forget(entry, first);
    return { target: first.target };
  }

  /** A name is there from an earlier export: others are linked to it. */
  found(entry: Entry): void {
    if (entry.nlink < 2) return;
    const first = this.firsts.get(keyOf(entry));
    const left = (first?.left ?? entry.nlink) - 1;
    if (first !== undefined) first.left = left;
    else this.firsts.set(keyOf(entry), { target: entry.target, waiting: [], left });
  }

  /** There is a copy. @returns the names that waited for it */
  copied(entry: Entry): readonly Entry[] {
    if (entry.nlink < 2) return NONE;
    const first = this.firsts.get(keyOf(entry));
    if (first === undefined) return NONE;
    first.target ??= entry.target;
    this.forget(entry, first);
    return first.waiting.splice(0);
  }

  /** It can't be copied: the next name is tried by itself. @returns the names that waited for it */
  lost(entry: Entry): readonly Entry[] {
    if (entry.nlink < 2) return NONE;
    const first = this.firsts.get(keyOf(entry));
    this.firsts.delete(keyOf(entry));
    return first?.waiting ?? NONE;
  }

  private forget(entry: Entry, first: First): void {
    if (first.left <= 0) this.firsts.delete(keyOf(entry));
  }
}

const keyOf = ({ dev, ino }: Entry): string => `${dev}:${ino}`;

/**
 * From the paths that libfuse 2 speaks in to inode numbers.
 *
 * The numbers of directories are remembered by path. Names change through this channel alone, so it is enough
 * to forget them all when a directory is moved or removed.
 *
 * A file that is removed or replaced while it is open lives on in libfuse under a name of its own
 * (`.fuse_hidden...`): libfuse renames it there. To us it loses its name as it would with any other
 * channel, and the hidden name is an alias of the inode that only libfuse knows, until the file is closed.
 */
import { FileError } from '../errno.js';
import type { Attributes, Caller, Operations } from '../operations.js';

export const ROOT_INO = 1;
/** Directories remembered before all are forgotten at once. */
const DIRECTORY_LIMIT = 20_000;

/** A name in a directory. */
export interface Place {
  parent: number;
  name: string;
}

export class Paths {
  private readonly directories = new Map<string, number>();
  private readonly hidden = new Map<string, number>();

  constructor(private readonly operations: Operations) {}

  /** @throws ENOENT, and what look-up throws. */
  async inoOf(caller: Caller, path: string): Promise<number> {
    if (path === '/') return ROOT_INO;
    const place = await this.placeOf(caller, path);
    return this.hidden.get(place.name) ?? (await this.existing(caller, place)).ino;
  }

  /** Where the last name of a path is or would be. */
  async placeOf(caller: Caller, path: string): Promise<Place> {
    const slash = path.lastIndexOf('/');
    if (slash < 0) throw new FileError('ENOENT', 'the file has no name any more');
    return {
      parent: await this.directory(caller, path.slice(0, slash)),
      name: path.slice(slash + 1),
    };
  }

  /** @throws ENOENT */
  async existing(caller: Caller, place: Place): Promise<Attributes> {
    const attributes = await this.operations.lookup(caller, place.parent, place.name);
    if (attributes.ino === 0) throw new FileError('ENOENT');
    return attributes;
  }

  /** `path` without a slash at its end; empty for the root. */
  private async directory(caller: Caller, path: string): Promise<number> {
    if (path === '') return ROOT_INO;
    const known = this.directories.get(path);
    if (known !== undefined) return known;
    const { ino } = await this.existing(caller, await this.placeOf(caller, path));
    if (this.directories.size >= DIRECTORY_LIMIT) this.directories.clear();
    this.directories.set(path, ino);
    return ino;
  }

  forgetDirectories(): void {
    this.directories.clear();
  }

  hide(path: string, ino: number): void {
    this.hidden.set(lastName(path), ino);
  }

  isHidden(path: string): boolean {
    return this.hidden.has(lastName(path));
  }

  /** @returns whether it was one */
  dropHidden(path: string): boolean {
    return this.hidden.delete(lastName(path));
  }
}

const lastName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

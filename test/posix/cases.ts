/** What a case is. Each compares with what ext4 does, and runs against ext4 itself to prove that. */
import assert from 'node:assert/strict';

/** What a case may ask of the place it runs in. */
export interface Env {
  /** A directory on another filesystem, writable. */
  readonly elsewhere: string;
  /**
   * Brings a closed file into the form that the place is about: packed on the slowest tier, or nothing
   * where files stay plain.
   */
  settle(path: string): Promise<void>;
  /** Unmounts and mounts again; nothing of it may be open. Options count until the next remount. */
  remount(options?: string[]): Promise<void>;
}

export interface Case {
  name: string;
  /** Acts as several users, or does what only root may. */
  needsRoot: boolean;
  /** Says something about packed files: calls `env.settle`. */
  packed: boolean;
  /** Calls `env.remount`. */
  remounts: boolean;
  /** Takes many seconds: runs on ext4 and in one way to mount. */
  long: boolean;
  /** `directory` is fresh, empty, and belongs to who runs the case, mode 0755. */
  run(directory: string, env: Env): void | Promise<void>;
}

export interface Family {
  name: string;
  cases: Case[];
}

type Run = Case['run'];
type Traits = Partial<Omit<Case, 'name' | 'run'>>;

/** A case that any user can run. */
export function anyone(name: string, run: Run, traits: Traits = {}): Case {
  const usual = { needsRoot: false, packed: false, remounts: false, long: false };
  return { name, run, ...usual, ...traits };
}

/** A case that only root can run. */
export function root(name: string, run: Run, traits: Traits = {}): Case {
  return anyone(name, run, { needsRoot: true, ...traits });
}

/** What a user without rights can run in a process that does nothing but that. */
export const ordinary = ({ needsRoot, remounts, long }: Case): boolean =>
  !needsRoot && !remounts && !long;

/** The call fails with this errno. */
export function fails(code: string, work: () => unknown): void {
  assert.throws(work, { code });
}

/** One case per row of a table. */
export function each<T>(rows: readonly T[], make: (row: T) => Case): Case[] {
  return rows.map(make);
}

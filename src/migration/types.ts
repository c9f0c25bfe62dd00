/**
 * Carries wishes out: a queue of jobs that copy, verify, switch and release. Steps and recovery:
 * README.md here.
 */

/** `share`: its tier is where the file is and stays. */
export type JobKind = 'promote' | 'demote' | 'share';
export type JobState = 'queued' | 'running' | 'waiting-for-close' | 'done' | 'failed' | 'cancelled';

export interface Job {
  readonly id: number;
  readonly kind: JobKind;
  readonly ino: number;
  /** Target tier name. */
  readonly tier: string;
  readonly state: JobState;
  /** Bytes of the file, and which part of the work is done, in these bytes. */
  readonly total: number;
  readonly done: number;
  /** One line why it failed. */
  readonly error: string | null;
}

/** Why a file is not where it should be. */
export interface Failure {
  ino: number;
  kind: JobKind;
  tier: string;
  /** One line: what was tried, on which path, why it failed. */
  error: string;
  /** ISO 8601. */
  time: string;
}

/**
 * What migration needs to know of open files; the filesystem provides it. All calls are
 * synchronous, so that a check and the switch that follows are one step.
 */
export interface FileActivity {
  /** Open handles of any kind, and those that may write. */
  handles(ino: number): { total: number; writers: number };
  /**
   * Whether any program has it open or mapped, also one that outlived an earlier daemon. `fd` is the only descriptor
   * of its backing file that the caller has.
   */
  isUsed(ino: number, fd: number): boolean;
  /** Grows with every open for writing, truncation and the like: equal means unchanged since. */
  changeCount(ino: number): number;
  /** Runs once when the last handle closes (at once where none is open). */
  whenIdle(ino: number, callback: () => void): void;
  /**
   * The bytes moved and nothing is open: drops cached descriptors and lets the kernel forget cached
   * pages (`data`) or only attributes.
   */
  moved(ino: number, what: 'data' | 'attributes'): void;
  /**
   * Records size and times of unsettled files durably; resolves when done. Files that a writer has open stay
   * unsettled.
   */
  settle(inos: readonly number[]): Promise<void>;
}

export interface MigrationStatus {
  state: 'running' | 'paused';
  queued: number;
  running: Job[];
  /** Since the daemon started. */
  completed: number;
  failed: number;
  bytesMoved: number;
  /** Bytes of plain files that take no space of their own any more. */
  bytesShared: number;
}

export interface Migration {
  /** Queues a move; a queued or running one for the same file and tier is returned instead. */
  submit(kind: JobKind, ino: number, tier: string, options: MoveOptions): Job;
  /** Resolves when the job ended; rejects with its error. */
  finished(job: Job): Promise<void>;
  /**
   * Makes a packed file plain because a program wants to write to it: at once, whatever is queued
   * or paused, and while readers have it open (the filesystem replaces what serves them). Resolves
   * when the inode's plain tier is set and durable, or where there is nothing to hydrate. Rejects
   * with an errno `code`.
   */
  hydrateNow(ino: number): Promise<void>;
  /**
   * For what a person asked for and waits for, and that copies records: while it lasts nothing stands still because of
   * a pause, moves under way neither. None begins, and the rate is what it is.
   */
  unpaused<T>(work: () => Promise<T>): Promise<T>;
  /**
   * For a program that opens the file: resolves when its blocks are not being replaced by another file's; undefined
   * where they are not.
   */
  untilUnshared(ino: number): Promise<void> | undefined;
  /** Of one file: what runs and what is queued. */
  jobsOf(ino: number): Job[];
  /** Something was written: the watermarks are looked at soon. */
  nudge(): void;
  status(): MigrationStatus;
  /** Of the files whose last move failed, those that failed last, newest first. */
  failures(): Failure[];
  pause(): void;
  resume(): void;
  /** The settings changed: a rate of 0 pauses, another one after it goes on. */
  settingsChanged(): void;
  /** Stops accepting, cancels or finishes what runs, leaves everything consistent. */
  close(): Promise<void>;
}

export interface MoveOptions {
  /** Demotion packs (true) or keeps the file plain. */
  pack: boolean;
  /** For explain and logs. */
  because: string;
  /** Requests by a person go before background wishes. */
  urgent: boolean;
  /** With kind `share`. */
  share?: ShareOrder;
}

/** What a file is to be compared with, and how far that went. */
export interface ShareOrder {
  /** Inode number of the file whose blocks are used. */
  readonly source: number;
  /** Change counts of both when the order was made: what was written since is not compared. */
  readonly sourceChanges: number;
  readonly targetChanges: number;
  /** Bytes from the start that are done; grows with the job. */
  offset: number;
}

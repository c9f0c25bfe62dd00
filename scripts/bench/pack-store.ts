/** What the pack benchmark asks of a subject: it keeps one folder in a repository, and gives it back. */

/** Where a subject works. */
export interface StorePlace {
  /** A new folder; all that the subject keeps is below. */
  base: string;
  /** The folder that is stored. */
  input: string;
}

/** One repository, from empty to removed. The caller times `write` and `restore`, with what syncs them. */
export interface Store {
  /** The folder whose filesystem must be synced before a write counts as done. */
  repository: string;
  /** Reads all that `write` reads, so that it comes from memory. */
  warm(): Promise<unknown>;
  write(): Promise<unknown>;
  /** Bytes of the repository, catalogues included. */
  storedBytes(): Promise<number>;
  /** Has the program itself in memory again, after the caches were dropped. */
  wake(): Promise<unknown>;
  /** Puts the folder back as `target`, whose parent is an empty folder. */
  restore(target: string): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * What the store keeps about itself in the `meta` table: the format version of the database, from the
 * first commit on, and how many times it was opened.
 */
import { storeError } from './errors.js';
import type { Store, Table } from './types.js';

/**
 * Version of the layout of all tables; see the README.md of each folder that keeps tables. A new database has the
 * first one, and a later one from when it needs it: programs that know less can use it until then.
 */
export const STORE_FORMAT = 1;
const NEWEST_FORMAT = 2;

/** The table of the format version and of the counters of whoever keeps some. */
export const META_TABLE = 'meta';
const FORMAT_KEY = Buffer.from('format');
const OPENINGS_KEY = Buffer.from('openings');

/**
 * Refuses a foreign version, writes it into a new database, and counts this opening.
 * @throws Error in one line with code ENOTSUP; ENOSPC and others where a new database can't be written
 */
export async function checkFormat(store: Store, directory: string): Promise<void> {
  const meta = store.table(META_TABLE);
  const known = meta.get(FORMAT_KEY);
  if (known !== undefined) refuseForeign(known, directory);
  else meta.put(FORMAT_KEY, encodeNumber(STORE_FORMAT));
  meta.put(OPENINGS_KEY, encodeNumber(openingsIn(meta) + 1));
  try {
    await store.commit();
  } catch (error) {
    // A full disk must not keep anybody from opening a volume and making room; `failed` says so.
    if (known === undefined) throw error;
  }
}

/** From this transaction on the database is of this version at least. */
export function requireFormat(store: Store, version: number): void {
  const meta = store.table(META_TABLE);
  const known = meta.get(FORMAT_KEY)?.readUInt32BE() ?? STORE_FORMAT;
  if (known < version) meta.put(FORMAT_KEY, encodeNumber(version));
}

/** The number of this opening of the store, 1 for the first; durable unless the store has failed. */
export function openings(store: Store): number {
  return openingsIn(store.table(META_TABLE));
}

function openingsIn(meta: Table): number {
  return meta.get(OPENINGS_KEY)?.readUInt32BE() ?? 0;
}

function refuseForeign(record: Buffer, directory: string): void {
  const version = record.length === 4 ? record.readUInt32BE() : NaN;
  if (version >= STORE_FORMAT && version <= NEWEST_FORMAT) return;
  throw storeError(
    'ENOTSUP',
    `the namespace database in ${directory} has format ${version}, this program knows ` +
      `formats ${STORE_FORMAT} to ${NEWEST_FORMAT}: mount it with the version that wrote it`,
  );
}

function encodeNumber(value: number): Buffer {
  const record = Buffer.alloc(4);
  record.writeUInt32BE(value);
  return record;
}

/**
 * Chunks: every one that a recipe names is known and lies inside its pack, and each counts exactly the
 * recipes that name it. Goes over the recipes once per part of the hash space, so that memory stays bounded.
 */
import { sliceChunks, type NamedLocation } from '../content/chunk-index.js';
import { copyOf, hashOf } from '../content/names.js';
import { loadPacks } from '../content/packs.js';
import { nameAt, type PackRecord } from '../content/records.js';
import { giveWay } from '../content/turns.js';
import type { ChunkLocation } from '../content/types.js';
import { hashKey } from '../content/uses.js';
import type { Store } from '../store/types.js';
import { affectedFiles, markedDamaged } from './affected-files.js';
import type { CheckDeps, Findings } from './report.js';
import { walkSegments } from './walks.js';

/** Chunks counted in one pass: about 200 bytes of memory each. */
const CHUNKS_PER_PASS = 1_000_000;
const SLICE = 2000;
/** Parts are told apart by the first two bytes of the hash. */
const PREFIXES = 65_536;

export async function checkChunks(deps: CheckDeps, findings: Findings): Promise<void> {
  const chunks = await countChunks(deps.store);
  findings.checked.chunks += chunks;
  let damaged = 0;
  const parts = Math.min(PREFIXES, Math.max(1, Math.ceil(chunks / CHUNKS_PER_PASS)));
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * PREFIXES) / parts);
    const to = Math.floor(((part + 1) * PREFIXES) / parts);
    damaged += await checkPart(deps, from, to, findings);
  }
  if (damaged === 0) return;
  const affected = await affectedFiles(deps, markedDamaged(deps.store));
  for (const { problem } of affected) findings.report(problem);
}

async function countChunks(store: Store): Promise<number> {
  let count = 0;
  for await (const slice of walkChunks(store, 0)) count += slice.length;
  return count;
}

/** @returns how many chunks are marked as damaged */
async function checkPart(
  deps: CheckDeps,
  from: number,
  to: number,
  findings: Findings,
): Promise<number> {
  let damaged = 0;
  const named = await countNames(deps.store, from, to);
  const packs = loadPacks(deps.store);
  for await (const slice of walkChunks(deps.store, from)) {
    for (const { name, location } of slice) {
      if (name.readUInt16BE(0) >= to) break;
      checkChunk(name, location, named.get(hashKey(name)) ?? 0, packs, findings);
      named.delete(hashKey(name));
      if (location.bad) damaged++;
    }
    if (slice[slice.length - 1].name.readUInt16BE(0) >= to) break;
  }
  for (const [key, count] of named) {
    findings.report({
      what: 'lost-chunk',
      subject: nameChunk(Buffer.from(key, 'latin1')),
      detail: `recipes name it ${count} times, but the index does not have it`,
      repair: 'store a file with the same content again, or restore the files from a backup',
    });
  }
  return damaged;
}

async function countNames(store: Store, from: number, to: number): Promise<Map<string, number>> {
  const named = new Map<string, number>();
  for await (const { chunks } of walkSegments(store)) {
    for (let i = 0; i < chunks.lengths.length; i++) {
      const name = nameAt(chunks, i);
      const prefix = name.readUInt16BE(0);
      if (chunks.zero[i] || prefix < from || prefix >= to) continue;
      named.set(hashKey(name), (named.get(hashKey(name)) ?? 0) + 1);
    }
  }
  return named;
}

function checkChunk(
  name: Buffer,
  location: ChunkLocation,
  named: number,
  packs: Map<number, PackRecord>,
  { report }: Findings,
): void {
  const subject = nameChunk(name);
  const { packId, offset, stored, references } = location;
  const pack = packs.get(packId);
  // Of what was lost with a tier the files are named.
  const restore = 'store a file with the same content again, or restore the files from a backup';
  if (!pack && !location.bad) {
    const detail = `it lies in pack ${packId}, which the catalogue does not have`;
    report({ what: 'lost-chunk', subject, detail, repair: restore });
  } else if (pack && offset + stored > pack.size) {
    const detail = `it ends at ${offset + stored} in pack ${packId}, which has ${pack.size} bytes`;
    report({ what: 'lost-chunk', subject, detail, repair: restore });
  }
  if (references !== named) {
    const detail = `it counts ${references} references; recipes name it ${named} times`;
    report({
      what: 'reference-count',
      subject,
      detail,
      repair: 'none needed while it is too high',
    });
  }
}

export function nameChunk(name: Buffer): string {
  const copy = copyOf(name);
  return `chunk ${hashOf(name).toString('hex')}${copy === 0 ? '' : `, copy ${copy}`}`;
}

/** Slices of the index from a two-byte prefix on, never empty. */
async function* walkChunks(store: Store, from: number): AsyncIterable<NamedLocation[]> {
  let after = beforePrefix(from);
  for (;;) {
    const slice = sliceChunks(store, after, SLICE);
    if (slice.length === 0) return;
    yield slice;
    after = slice[slice.length - 1].name;
    await giveWay();
  }
}

/** No name of a chunk that starts with less than `prefix` comes after it, and every other one does. */
function beforePrefix(prefix: number): Buffer | undefined {
  if (prefix === 0) return undefined;
  const name = Buffer.alloc(34, 0xff);
  name.writeUInt16BE(prefix - 1, 0);
  return name;
}

/** Records of a damaged pack that are copied to another one: what may not be copied is not. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native, type PackWriter } from '../../src/native.js';
import type { Chance } from '../random/randomness.js';
import type { RecordFacts } from './fuzz-subjects.js';
import { orCode, SCAN_ERRORS } from './outcomes.js';
import { isForged, isHonest, type Mutant } from './pack-mutations.js';

const COPY_ID = 99;

/** Copies are what can be read, and give the same. */
export async function checkCopies(
  directory: string,
  path: string,
  mutant: Mutant,
  readable: boolean[],
  chance: Chance,
): Promise<void> {
  writeFileSync(path, mutant.bytes);
  const { plan } = mutant.subject;
  const rows = [...plan.packs.keys()].filter((i) => plan.packs[i] >= 0);
  if (rows.length === 0) return;
  const target = join(directory, 'copy.pack');
  const writer = native.createPackWriter(target, COPY_ID, mutant.subject.volumeId);
  try {
    for (const some of [rows, [chance.pick(rows)], [rows[0]]]) {
      await checkCopy(writer, { path, target }, some, mutant, readable);
    }
  } finally {
    writer.close();
    rmSync(target);
  }
}

async function checkCopy(
  writer: PackWriter,
  { path, target }: { path: string; target: string },
  rows: number[],
  mutant: Mutant,
  readable: boolean[],
): Promise<void> {
  const { plan, records, volumeId, packId } = mutant.subject;
  const offsets = Float64Array.from(rows, (i) => plan.offsets[i]);
  const stored = Uint32Array.from(rows, (i) => plan.stored[i]);
  const done = await orCode(writer.copyRecords(path, packId, offsets, stored), SCAN_ERRORS);
  const allReadable = rows.every((i) => readable[i]);
  // Reading does not compare the SHA-256, copying a part of a chain does.
  if ('code' in done) return assert.ok(!allReadable || !isHonest(mutant));
  if (isHonest(mutant)) assert.ok(allReadable);
  for (const [n, row] of rows.entries()) {
    const facts = records.get(plan.offsets[row]);
    if (facts === undefined || isForged(mutant, plan, row)) continue;
    const { offsets: copied, stored: lengths } = done.value;
    await assertCopied(target, volumeId, { offset: copied[n], stored: lengths[n] }, facts);
  }
}

/** A record may be whole and not decode; then it does not in its new place either. */
async function assertCopied(
  packPath: string,
  volumeId: Buffer,
  { offset, stored }: { offset: number; stored: number },
  facts: RecordFacts,
): Promise<void> {
  const handle = native.openPlan({
    size: facts.data.length,
    lengths: Uint32Array.of(facts.data.length),
    packs: Int32Array.of(0),
    offsets: Float64Array.of(offset),
    stored: Uint32Array.of(stored),
    packPaths: [packPath],
    packIds: [COPY_ID],
    volumeId,
  });
  const read = await orCode(native.readPlan(handle, 0, facts.data.length), ['EIO']);
  handle.close();
  if ('value' in read) assert.ok(read.value.equals(facts.data), 'a copy has other bytes');
}

/**
 * What must hold of any bytes that lie where a pack should be: reading gives what was stored or fails, and what a
 * scan calls good is good.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native, type PackedPlan, type PackScan, type PlanHandle } from '../../src/native.js';
import type { Chance } from '../random/randomness.js';
import { checkCopies } from './copy-properties.js';
import { orCode, SCAN_ERRORS } from './outcomes.js';
import { FIRST_RECORD, RECORD_HEADER } from './pack-bytes.js';
import { isForged, isHonest, type Mutant } from './pack-mutations.js';

const MAX_CHUNK = 4 << 20;
const MAX_WHOLE = 8 << 20;

/** Everything that is done with a pack, on a mutant of one. */
export async function checkMutant(directory: string, mutant: Mutant, chance: Chance) {
  const path = join(directory, 'mutant.pack');
  writeFileSync(path, mutant.bytes);
  try {
    const plan = { ...mutant.subject.plan, packPaths: [path] };
    const readable = await checkReads(plan, mutant, chance);
    await checkHydration(directory, plan, mutant);
    const scan = await checkScans(path, mutant, readable);
    if (scan !== undefined) await checkRepair(path, plan, mutant, scan, readable);
    else assert.ok('code' in (await orCode(native.repairPack(path, MAX_WHOLE), SCAN_ERRORS)));
    await checkCopies(directory, path, mutant, readable, chance);
  } finally {
    rmSync(path, { force: true });
  }
}

/** @returns for each chunk whether it can be read */
async function checkReads(plan: PackedPlan, mutant: Mutant, chance: Chance): Promise<boolean[]> {
  const handle = native.openPlan(plan);
  try {
    const readable: boolean[] = [];
    for (let chunk = 0, at = 0; chunk < plan.lengths.length; at += plan.lengths[chunk++]) {
      const read = await readRange(handle, plan, mutant, [at, plan.lengths[chunk]]);
      readable.push(read);
    }
    const all = readable.every(Boolean);
    assert.equal(await readRange(handle, plan, mutant, [0, plan.size]), all);
    for (let n = 0; n < 3; n++) {
      const at = chance.below(plan.size);
      await readRange(handle, plan, mutant, [at, 1 + chance.skewed(plan.size)]);
    }
    await checkCheck(handle, readable);
    return readable;
  } finally {
    handle.close();
  }
}

/** False where it fails. What is read must be the file's own bytes, but for chunks that were forged. */
async function readRange(
  handle: PlanHandle,
  plan: PackedPlan,
  mutant: Mutant,
  [offset, length]: [number, number],
): Promise<boolean> {
  const read = await orCode(native.readPlan(handle, offset, length), ['EIO']);
  if ('code' in read) return false;
  const expected = Buffer.from(mutant.subject.data.subarray(offset, offset + length));
  assert.equal(read.value.length, expected.length, 'no more and no less than was asked for');
  for (let chunk = 0, at = 0; chunk < plan.lengths.length; at += plan.lengths[chunk++]) {
    if (!isForged(mutant, plan, chunk)) continue;
    const inside = (place: number): number => Math.max(0, Math.min(place - offset, length));
    const [from, to] = [inside(at), inside(at + plan.lengths[chunk])];
    expected.set(read.value.subarray(from, to), Math.min(from, expected.length));
  }
  assert.ok(read.value.equals(expected), `other bytes were read at ${offset}, ${length} long`);
  return true;
}

/** A check finds what can not be read. */
async function checkCheck(handle: PlanHandle, readable: boolean[]): Promise<void> {
  const { bad } = await native.checkPlan(handle);
  assert.deepEqual(
    [...bad],
    [...readable.keys()].filter((chunk) => !readable[chunk]),
  );
}

/** Written out whole, or not at all. */
async function checkHydration(directory: string, plan: PackedPlan, mutant: Mutant): Promise<void> {
  const path = join(directory, 'hydrated');
  const fd = openSync(path, 'w+');
  const handle = native.openPlan(plan);
  try {
    const done = await orCode(native.hydrate(handle, fd), ['EIO']);
    if ('code' in done || mutant.forged.size > 0) return;
    assert.ok(readFileSync(path).equals(mutant.subject.data), 'hydrated to other bytes');
  } finally {
    handle.close();
    closeSync(fd);
  }
}

/** @returns the shallow scan, unless the pack is refused */
async function checkScans(path: string, mutant: Mutant, readable: boolean[]) {
  const shallow = await orCode(native.scanPack(path, false), SCAN_ERRORS);
  const deep = await orCode(native.scanPack(path, true), SCAN_ERRORS);
  if ('code' in shallow || 'code' in deep) {
    assert.deepEqual(deep, shallow, 'both refuse a pack, or none');
    assert.ok(mutant.subject.plan.packs.every((pack, i) => pack < 0 || !readable[i]));
    return undefined;
  }
  for (const { value } of [shallow, deep]) assertWellFormed(value, mutant.bytes.length);
  assert.deepEqual(deep.value.offsets, shallow.value.offsets);
  await assertGoodIsGood(path, deep.value);
  if (isHonest(mutant)) assertFindsReadable(deep.value, mutant, readable);
  return shallow.value;
}

function assertWellFormed(scan: PackScan, fileLength: number): void {
  assert.equal(scan.fileLength, fileLength);
  assert.ok(scan.validLength <= fileLength);
  for (const { length } of [scan.offsets, scan.stored, scan.lengths]) {
    assert.equal(length, scan.count);
  }
  assert.equal(scan.hashes.length, 32 * scan.count);
  let end = FIRST_RECORD;
  for (let i = 0; i < scan.count; i++) {
    assert.ok(scan.offsets[i] >= end && scan.stored[i] > RECORD_HEADER && scan.lengths[i] > 0);
    assert.ok(scan.stored[i] <= RECORD_HEADER + MAX_CHUNK && scan.lengths[i] <= MAX_CHUNK);
    end = scan.offsets[i] + scan.stored[i];
  }
  if (scan.count > 0) assert.ok(end <= scan.validLength);
  scan.bad.forEach((index, i) => {
    assert.ok(index < scan.count && (i === 0 || index > scan.bad[i - 1]));
  });
}

const goodOf = ({ count, bad }: PackScan): number[] =>
  [...Array(count).keys()].filter((i) => !bad.includes(i));

/** Each has the SHA-256 that it claims. */
async function assertGoodIsGood(path: string, scan: PackScan): Promise<void> {
  const good = goodOf(scan);
  if (good.length === 0) return;
  const lengths = Uint32Array.from(good, (i) => scan.lengths[i]);
  const plan: PackedPlan = {
    size: lengths.reduce((sum, length) => sum + length, 0),
    lengths,
    packs: new Int32Array(good.length),
    offsets: Float64Array.from(good, (i) => scan.offsets[i]),
    stored: Uint32Array.from(good, (i) => scan.stored[i]),
    packPaths: [path],
    packIds: [scan.packId],
    volumeId: scan.volumeId,
  };
  const handle = native.openPlan(plan);
  const data = await native.readPlan(handle, 0, plan.size);
  handle.close();
  let at = 0;
  for (const i of good) {
    const chunk = data.subarray(at, (at += scan.lengths[i]));
    const sha256 = createHash('sha256').update(chunk).digest();
    assert.ok(scan.hashes.subarray(32 * i, 32 * i + 32).equals(sha256), 'good, but not its bytes');
  }
}

/** What can be read is found. */
function assertFindsReadable(scan: PackScan, { subject }: Mutant, readable: boolean[]): void {
  const good = new Set(goodOf(scan).map((i) => scan.offsets[i]));
  subject.plan.packs.forEach((pack, i) => {
    if (pack >= 0 && readable[i]) assert.ok(good.has(subject.plan.offsets[i]), `chunk ${i}`);
  });
}

/** Costs nothing that could be read and was valid, and can be repeated. */
async function checkRepair(
  path: string,
  plan: PackedPlan,
  mutant: Mutant,
  before: PackScan,
  readable: boolean[],
): Promise<void> {
  const length = await native.repairPack(path, before.validLength);
  if (length === 0) return assert.equal(before.validLength, 0);
  assert.equal(statSync(path).size, length);
  const after = await native.scanPack(path, false);
  assert.equal(after.sealed, true);
  const kept = goodOf(before).map((i) => before.offsets[i]);
  if (!before.sealed) assert.deepEqual([...after.offsets], kept, 'the index has what is good');
  const sealed = readFileSync(path);
  assert.equal(await native.repairPack(path, after.validLength), length);
  assert.ok(readFileSync(path).equals(sealed), 'a second repair changes nothing');
  const handle = native.openPlan(plan);
  for (let chunk = 0, at = 0; chunk < plan.lengths.length; at += plan.lengths[chunk++]) {
    const still = await readRange(handle, plan, mutant, [at, plan.lengths[chunk]]);
    const end = plan.packs[chunk] < 0 ? 0 : plan.offsets[chunk] + plan.stored[chunk];
    if (end <= before.validLength) assert.equal(still, readable[chunk], `chunk ${chunk}`);
  }
  handle.close();
}

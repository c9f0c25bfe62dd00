/** Plans with rows that no recipe gives: refused, or read as far as records say what the rows say. */
import assert from 'node:assert/strict';
import { native, type PackedPlan, type PlanHandle } from '../../src/native.js';
import type { Chance } from '../random/randomness.js';
import type { Subject } from './fuzz-subjects.js';
import { orCode } from './outcomes.js';

const MAX_READ = 64 << 20;
const EDGES = [0, 1, 63, 64, 65, 8191, 8192, 4 << 20, (4 << 20) + 64, (4 << 20) + 65, 2 ** 31 - 1];
const U32 = [...EDGES, 2 ** 31, 2 ** 32 - 1];
const U53 = [...U32, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 64, -1, 0.5, NaN, Infinity];

/** `path` has the subject's bytes. */
export async function checkHostilePlan(path: string, subject: Subject, chance: Chance) {
  const plan = hostilePlan(path, subject, chance);
  let handle: PlanHandle;
  try {
    handle = native.openPlan(plan);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return assert.ok(code === 'EINVAL' || code === 'ENOENT', String(error));
  }
  try {
    await readSome(handle, plan, subject, chance);
    await checkOrCancel(handle, plan, subject);
  } finally {
    handle.close();
  }
}

function hostilePlan(
  path: string,
  { plan, packId, volumeId }: Subject,
  chance: Chance,
): PackedPlan {
  const rows = {
    lengths: [...plan.lengths],
    packs: [...plan.packs],
    offsets: [...plan.offsets],
    stored: [...plan.stored],
  };
  const count = rows.packs.length;
  for (let n = 1 + chance.skewed(3); n > 0; n--) {
    changeRow(rows, chance.below(count), chance.below(count), chance);
  }
  const sum = rows.lengths.reduce((total, length) => total + length, 0);
  return {
    size: chance.oneIn(6) ? chance.pick(U53) : sum,
    lengths: Uint32Array.from(rows.lengths),
    packs: Int32Array.from(rows.packs),
    offsets: Float64Array.from(rows.offsets),
    stored: Uint32Array.from(rows.stored),
    packPaths: chance.oneIn(20) ? [`${path}.missing`] : [path],
    packIds: [packId],
    volumeId,
  };
}

type Rows = Record<'lengths' | 'packs' | 'offsets' | 'stored', number[]>;

/** Most changes keep a plan that is opened. */
function changeRow(rows: Rows, i: number, other: number, chance: Chance): void {
  const changes = [
    () => (rows.lengths[i] = chance.oneIn(2) ? chance.pick(U32) : rows.lengths[other]),
    () => (rows.packs[i] = chance.pick([0, 0, -1, -2, 1, 2 ** 31 - 1, -(2 ** 31)])),
    () => (rows.offsets[i] = chance.oneIn(2) ? chance.pick(U53) : rows.offsets[other]),
    () => (rows.offsets[i] += chance.pick([-64, -1, 1, 64])),
    () => (rows.stored[i] = chance.oneIn(2) ? chance.pick(U32) : rows.stored[other]),
    () => (rows.stored[i] += chance.pick([-1, 1, 64])),
    () => void rows.stored.pop(),
    // The whole row of another chunk: that is then what the file has here.
    ...Array<() => void>(4).fill(() => {
      for (const column of Object.values(rows)) column[i] = column[other];
    }),
  ];
  chance.pick(changes)();
}

/** What the rows say that a chunk is; undefined where no record there is as long. */
function chunkOf(plan: PackedPlan, { records }: Subject, i: number): Buffer | undefined {
  const data = records.get(plan.offsets[i])?.data;
  return data?.length === plan.lengths[i] ? data : undefined;
}

async function readSome(handle: PlanHandle, plan: PackedPlan, subject: Subject, chance: Chance) {
  assert.equal(handle.size, plan.size);
  for (let n = 0; n < 4; n++) {
    const at = chance.oneIn(2) ? chance.skewed(plan.size) : chance.pick([0, plan.size - 1]);
    await readAt(handle, plan, subject, [at, 1 + chance.skewed(1 << 20)]);
  }
  await readAt(handle, plan, subject, [0, Math.min(plan.size, 1 << 22)]);
  for (const [offset, length] of [
    [plan.size, 1],
    [2 ** 53, MAX_READ],
    [0, 0],
  ]) {
    assert.equal((await native.readPlan(handle, offset, length)).length, 0);
  }
  const odd = native.readPlan(handle, chance.pick([0, -1, NaN]), MAX_READ + 1);
  assert.deepEqual(await orCode(odd, ['EINVAL']), { code: 'EINVAL' });
}

async function readAt(
  handle: PlanHandle,
  plan: PackedPlan,
  subject: Subject,
  [offset, length]: [number, number],
): Promise<void> {
  const read = await orCode(native.readPlan(handle, offset, length), ['EIO']);
  if ('code' in read) return;
  const end = Math.min(offset + length, plan.size);
  assert.equal(read.value.length, end - offset);
  for (let i = 0, at = 0; i < plan.lengths.length && at < end; at += plan.lengths[i++]) {
    const [from, to] = [Math.max(at, offset), Math.min(at + plan.lengths[i], end)];
    if (to <= from) continue;
    const got = read.value.subarray(from - offset, to - offset);
    assert.notEqual(plan.packs[i], -2, 'what is lost has no bytes');
    if (plan.packs[i] === -1) assert.ok(got.every((byte) => byte === 0));
    // From memory also where the record's length is wrong: the bytes are the right ones.
    else
      assert.ok(
        chunkOf(plan, subject, i)
          ?.subarray(from - at, to - at)
          .equals(got),
        `row ${i}`,
      );
  }
}

/** Goes on behind bad rows, and names them; a file of nothing but zeros without end can be cancelled. */
async function checkOrCancel(handle: PlanHandle, plan: PackedPlan, subject: Subject) {
  const control = native.createCopyControl();
  const check = orCode(native.checkPlan(handle, control), ['ECANCELED']);
  if (plan.size > MAX_READ) control.cancel();
  const done = await check;
  if ('code' in done) return;
  const isGood = (i: number): boolean =>
    chunkOf(plan, subject, i) !== undefined &&
    subject.records.get(plan.offsets[i])?.stored === plan.stored[i];
  const bad = [...plan.packs.keys()].filter((i) => {
    return plan.packs[i] === -2 || (plan.packs[i] >= 0 && !isGood(i));
  });
  assert.deepEqual([...done.value.bad], bad);
}

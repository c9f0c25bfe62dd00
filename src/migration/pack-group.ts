/** Packs small files in one go: one read, one append, one sync, one reading back of all. */
import { cuttingOf, type Cutting, type ReadBytes } from '../content/tensors.js';
import { giveWay } from '../content/turns.js';
import type { PackedFile, PackedTogether } from '../content/types.js';
import { type CopyControl, type FileGroup, type GroupBatch, native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { encodingFor } from './compression.js';
import { jumpRateFor } from './fragmentation.js';
import { digestAt, MOST_BYTES } from './group.js';
import { checkRoom, type MoveContext } from './move.js';

type Needs = Pick<MoveContext, 'deps'>;

export interface GroupFile {
  /** 0 where it is given out later. */
  ino: number;
  /** Where it is read. */
  path: string;
  /** Bytes; less than MOST_BYTES, and not 0. */
  size: number;
}

export interface GroupSource {
  files: readonly GroupFile[];
  /** Device and inode of each, where others may put another file at its path. */
  identities?: Float64Array;
  /** Runs a native step; whoever wants it to end cancels the control. */
  step<T>(work: (control: CopyControl) => Promise<T>): Promise<T>;
  /** Whether a file that was read is to be packed; `read` gives its bytes. All are where this is left out. */
  wants?(file: number, read: FileGroup): boolean;
}

/** A packed form that equals the file as it was read. */
export interface PackedMember extends PackedFile {
  /** Which of the files. */
  file: number;
  /** XXH3-128 of the file, hex. */
  digest: string;
}

/**
 * Calls `use` with those that could be read and are wanted, to commit their recipes in that turn or later turns: what is not
 * committed when it resolves is garbage. It is not called where not all of them read back right from the medium, nor
 * where there are none.
 */
export async function packGroup(
  ctx: Needs,
  source: GroupSource,
  target: Tier,
  use: (packed: readonly PackedMember[]) => Promise<void>,
): Promise<void> {
  const { wanted, digests, batch } = await readAndCut(ctx, source);
  if (!batch) return;
  try {
    const packed = await pack(ctx, source, wanted, batch, target);
    try {
      if (await readsBack(ctx, source, batch, packed)) {
        await use(wanted.map((file, i) => ({ file, digest: digests[i], ...packed.files[i] })));
      }
    } finally {
      packed.abort();
    }
  } finally {
    batch.release();
  }
}

interface Cut {
  /** Which files, and of each the digest of what was read, hex. */
  wanted: number[];
  digests: string[];
  /** Null where there are none. */
  batch: GroupBatch | null;
}

async function readAndCut(
  { deps }: Needs,
  { files, identities, step, wants }: GroupSource,
): Promise<Cut> {
  const paths = files.map(({ path }) => path);
  const lengths = Uint32Array.from(files, ({ size }) => size);
  const group = await step((control) => native.readFiles(paths, lengths, control, identities));
  try {
    const wanted = [...files.keys()].filter(
      (i) => group.errors[i] === 0 && (wants?.(i, group) ?? true),
    );
    const cuttings = await Promise.all(
      wanted.map((i) => cuttingOf(readerOf(group, i), files[i].size, deps.chunking)),
    );
    const digests = wanted.map((i) => digestAt(group, i));
    const batch = wanted.length === 0 ? null : await cut(group, wanted, cuttings);
    return { wanted, digests, batch };
  } finally {
    group.release();
  }
}

/** The bytes are in memory, and yet a header that goes on and on keeps nobody waiting. */
function readerOf(group: FileGroup, file: number): ReadBytes {
  return async (offset, length) => {
    await giveWay();
    return group.slice(file, offset, length);
  };
}

function cut(group: FileGroup, files: number[], cuttings: Cutting[]): Promise<GroupBatch> {
  return group.cut(
    Uint32Array.from(files),
    Uint32Array.from(cuttings.flatMap(({ limits: { min, average, max } }) => [min, average, max])),
    Uint32Array.from(cuttings, ({ cuts }) => cuts.length),
    Float64Array.from(cuttings.flatMap(({ cuts }) => cuts)),
  );
}

function pack(
  ctx: Needs,
  { files }: GroupSource,
  wanted: readonly number[],
  batch: GroupBatch,
  target: Tier,
): Promise<PackedTogether> {
  const { content, settings } = ctx.deps;
  checkRoom(ctx, target, 0);
  return content.packTogether(
    wanted.map((file) => files[file].ino),
    batch,
    target.id,
    encodingFor(target, settings, MOST_BYTES),
    jumpRateFor(target, settings),
  );
}

async function readsBack(
  { deps }: Needs,
  { step }: GroupSource,
  batch: GroupBatch,
  { all }: PackedTogether,
): Promise<boolean> {
  const plan = deps.content.openPlan(await deps.content.planForRecipe(all));
  try {
    const check = await step((control) => native.checkPlan(plan, control));
    return check.bad.length === 0 && check.digest.equals(batch.digest);
  } finally {
    plan.close();
  }
}

/**
 * Answers `where` for a directory: the files below it, summed up. The tree is walked in slices, once, and once more
 * for each part of the chunks that is to be noted at a time (`content/summary.ts`), so that memory is bounded.
 */
import { decayed, temperatureOf } from '../../policy/heat.js';
import { plainSharedBytes } from '../../filesystem/shared-bytes.js';
import type { Inode } from '../../namespace/types.js';
import type { DirectoryDocument, TierPartDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { pinnedTo, type Target } from './find.js';
import { filesBelow, peek } from './walk.js';
import { BLOCK, NOBODY, round } from './where-file.js';

/** Backing files that are looked at side by side. */
const ASKED_AT_ONCE = 16;

export async function whereBelow(parts: Parts, target: Target): Promise<DirectoryDocument> {
  const sum = new Sum(parts);
  const plainShared = await sumUp(parts, target, sum);
  const packed = await parts.content.jointSummary(() => packedBelow(parts, target));
  for (const [tier, bytes] of packed.tiers) sum.on(tier).packedBytes += bytes;
  return {
    path: target.path,
    type: 'directory',
    tier: sum.tier.value,
    form: sum.form.value,
    class: sum.class.value,
    temperature: sum.temperature.value,
    heat: sum.heat.value,
    pinned: pinnedTo(parts, target.inode),
    size: sum.size,
    storedBytes: sum.plainBytes + packed.storedBytes,
    sharedBytes: plainShared + packed.sharedBytes,
    packedTier: sum.packedTier.value,
    open: sum.open,
    lastOpened: sum.lastOpened === 0 ? null : new Date(sum.lastOpened).toISOString(),
    files: sum.files,
    tiers: sum.tierParts(),
  };
}

/** @returns bytes of plain files that other files use too, whether these are below or not */
async function sumUp(parts: Parts, target: Target, sum: Sum): Promise<number> {
  let shared = 0;
  let asked: Promise<number>[] = [];
  for await (const { inode: found } of filesBelow(parts.namespace, target, peek)) {
    const inode = await upToDate(parts, found);
    if (inode === undefined) continue;
    sum.add(inode);
    if (mayShare(parts, inode)) asked.push(plainSharedBytes(parts, inode));
    if (asked.length < ASKED_AT_ONCE) continue;
    shared += total(await Promise.all(asked));
    asked = [];
  }
  return shared + total(await Promise.all(asked));
}

async function* packedBelow({ namespace }: Parts, target: Target): AsyncGenerator<number> {
  for await (const { inode } of filesBelow(namespace, target, peek)) {
    if (inode.packedTier !== 0) yield inode.ino;
  }
}

/** While a program writes, only the backing file knows the size. Undefined where it was deleted since. */
async function upToDate({ namespace, filesystem }: Parts, { ino }: Inode) {
  const inode = namespace.peek(ino);
  if (inode?.nlink === 0) return undefined;
  if (inode?.unsettled !== true) return inode;
  await filesystem.operations.getattr(NOBODY, ino);
  return namespace.peek(ino);
}

/** Asking costs opening the backing file: only where there may be an answer. On a read-only mount nobody tried. */
function mayShare({ tiers, plan }: Parts, inode: Inode): boolean {
  const tier = tiers.byId(inode.plainTier);
  if (tier === undefined || inode.plainBlocks === 0) return false;
  return tier.sharesExtents || tier.state === 'read-only' || plan.settings.mount.readOnly;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** The value that all have, null where they differ or there is none. */
class Agreement<Value> {
  value: Value | null = null;
  private any = false;

  add(value: Value | null): void {
    if (!this.any) this.value = value;
    else if (this.value !== value) this.value = null;
    this.any = true;
  }
}

type TierSum = Omit<TierPartDocument, 'name'>;

class Sum {
  files = 0;
  size = 0;
  plainBytes = 0;
  open = false;
  lastOpened = 0;
  readonly tier = new Agreement<string>();
  readonly form = new Agreement<'plain' | 'packed'>();
  readonly class = new Agreement<string>();
  readonly temperature = new Agreement<ReturnType<typeof temperatureOf>>();
  readonly heat = new Agreement<number>();
  readonly packedTier = new Agreement<string>();
  private readonly tierSums = new Map<number, TierSum>();
  private readonly now = Date.now();

  constructor(private readonly parts: Parts) {}

  add(inode: Inode): void {
    const { filesystem, plan } = this.parts;
    const heat = decayed(inode.heat, this.now - inode.heatAt, plan.settings.halfLifeMs);
    this.files++;
    this.size += inode.size;
    this.open ||= filesystem.activity.handles(inode.ino).total > 0;
    this.lastOpened = Math.max(this.lastOpened, inode.heatAt);
    this.class.add(inode.fileClass);
    this.temperature.add(temperatureOf(heat));
    this.heat.add(round(heat));
    if (inode.plainTier !== 0 || inode.packedTier !== 0) this.addData(inode);
  }

  /** What was never written has no tier, and does not differ from what has. */
  private addData({ size, plainTier, plainBlocks, packedTier }: Inode): void {
    const served = this.on(plainTier || packedTier);
    served.files++;
    served.size += size;
    served.plainBytes += plainBlocks * BLOCK;
    this.plainBytes += plainBlocks * BLOCK;
    this.tier.add(this.nameOf(plainTier || packedTier));
    this.form.add(plainTier === 0 ? 'packed' : 'plain');
    this.packedTier.add(this.nameOf(packedTier));
  }

  on(tier: number): TierSum {
    const known = this.tierSums.get(tier);
    const sum = known ?? { files: 0, size: 0, plainBytes: 0, packedBytes: 0 };
    if (!known) this.tierSums.set(tier, sum);
    return sum;
  }

  /** In the order of the volume. */
  tierParts(): TierPartDocument[] {
    return this.parts.tiers.tiers.flatMap(({ id, name }) => {
      const sum = this.tierSums.get(id);
      return sum ? [{ name, ...sum }] : [];
    });
  }

  private nameOf(id: number): string | null {
    return this.parts.tiers.byId(id)?.name ?? null;
  }
}

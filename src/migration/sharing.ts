/**
 * Looks for plain files that may have blocks in common, beside the sweeps: files of one size on one tier are
 * sampled, and those with equal samples are compared by a job.
 *
 * What was compared is remembered in memory alone, for as long as neither file changes. A new daemon samples each
 * candidate once more, which is 128 KiB of reading, and where two files share their equal parts already the
 * samples show that by their places on the tier: nothing is read twice, and nothing has to be stored and kept true.
 */
import { constants } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FileSamples } from '../native.js';
import { native } from '../native.js';
import { mayShare, pairsOf, type Sampled, type SharePair } from '../policy/sharing.js';
import type { FileFacts } from '../policy/types.js';
import type { MigrationDeps } from './deps.js';
import { withFile } from './backing.js';
import { factsOf } from './facts.js';
import type { Queue } from './queue.js';
import { createSizeGroups } from './size-groups.js';
import type { ShareOrder } from './types.js';

/** Files whose samples are kept, of about 600 bytes each; the largest ones. */
const MAX_SAMPLED = 16_384;
/** Files that one is compared with until it changes. */
const MAX_COMPARED = 4;
/** Jobs that wait at a time. */
const MAX_QUEUED = 64;
const FLAGS = constants.O_RDONLY | constants.O_NOATIME | constants.O_NOFOLLOW;

/** The candidates of one sweep. */
export interface Candidates {
  offer(facts: FileFacts): void;
  /** All files were offered: goes on in the background, unless the last look is not over yet. */
  finish(): void;
}

export interface Sharing {
  collect(): Candidates;
  close(): Promise<void>;
}

/** What is known of a file while it is as it was. */
interface Known {
  changes: number;
  tier: number;
  /** Null where they have to be taken again: its blocks lie elsewhere by now. */
  samples: FileSamples | null;
  /** Inodes that it was compared with, and their change counts. */
  compared: Map<number, number>;
  /** The comparison that did not come to its end. */
  order: ShareOrder | null;
}

/** In common with no other file, until it changes. */
const NOTHING: FileSamples = {
  hashes: new Float64Array(),
  places: new Float64Array(),
  sharedBytes: 0,
};

export function createSharing(deps: MigrationDeps, queue: Queue): Sharing {
  const { namespace, tiers, activity, settings, log } = deps;
  const known = new Map<number, Known>();
  let looking: Promise<void> | undefined;
  let closed = false;

  const isStopped = (): boolean =>
    closed || settings.share === 'off' || queue.status().state === 'paused';

  function isCandidate(facts: FileFacts): boolean {
    const tier = facts.plainTier === null ? undefined : tiers.byName(facts.plainTier);
    if (!tier?.sharesExtents || (tier.state !== 'ok' && tier.state !== 'full')) return false;
    return mayShare(facts, settings.settleMs);
  }

  function collect(): Candidates {
    const sizes = createSizeGroups();
    return {
      offer(facts) {
        if (!isStopped() && isCandidate(facts)) sizes.add(facts);
      },
      finish() {
        if (isStopped()) return;
        looking ??= look(sizes.groups())
          .catch((error: unknown) => log.error({ err: error }, 'looking for equal files failed'))
          .finally(() => (looking = undefined));
      },
    };
  }

  async function look(groups: number[][]): Promise<void> {
    const seen = new Set<number>();
    for (const group of groups) {
      if (isStopped() || seen.size + group.length > MAX_SAMPLED) break;
      for (const ino of group) seen.add(ino);
      await lookAt(group);
      await nextTurn();
    }
    forgetOthers(seen);
  }

  /** A file that a job works on, or whose only like is worked on, is in no group meanwhile. */
  function forgetOthers(seen: ReadonlySet<number>): void {
    for (const [ino, { tier }] of known) {
      const there = known.size <= 2 * MAX_SAMPLED && namespace.peek(ino)?.plainTier === tier;
      if (!there && !seen.has(ino)) known.delete(ino);
    }
  }

  async function lookAt(group: readonly number[]): Promise<void> {
    const files: Sampled[] = [];
    for (const ino of group) {
      if (isStopped()) return;
      const samples = await samplesOf(ino);
      const facts = samples && factsNow(ino);
      if (facts) {
        const { size, heat, open } = facts;
        files.push({ ...samples, ino, size, heat, open });
      }
    }
    for (const pair of pairsOf(files, wasCompared)) submit(pair);
  }

  /** Undefined where it is no candidate any more. */
  async function samplesOf(ino: number): Promise<FileSamples | undefined> {
    const inode = namespace.get(ino);
    const tier = inode && tiers.byId(inode.plainTier);
    if (!tier || factsNow(ino) === undefined) return undefined;
    const file = knownOf(ino, tier.id);
    if (file.samples) return file.samples;
    try {
      const path = tiers.backingPath(tier, ino);
      file.samples = await withFile(path, FLAGS, (fd) => native.sampleFile(fd));
    } catch (error) {
      if (isStopped()) return undefined;
      log.warn({ err: error, ino }, 'a file could not be sampled');
      file.samples = NOTHING;
    }
    return file.samples;
  }

  function knownOf(ino: number, tier: number): Known {
    const changes = activity.changeCount(ino);
    const file = known.get(ino);
    if (file?.changes === changes && file.tier === tier) return file;
    const fresh = { changes, tier, samples: null, compared: new Map(), order: null };
    known.set(ino, fresh);
    return fresh;
  }

  function factsNow(ino: number): FileFacts | undefined {
    const inode = namespace.get(ino);
    const facts = inode && !queue.isHeld(ino) ? factsOf(deps, inode, Date.now()) : undefined;
    return facts && isCandidate(facts) ? facts : undefined;
  }

  /** Whichever of the two was the source then. */
  function wasCompared({ source, target }: SharePair): boolean {
    const compared = known.get(target)?.compared;
    if (compared === undefined || compared.size >= MAX_COMPARED) return true;
    if (compared.get(source) === activity.changeCount(source)) return true;
    return known.get(source)?.compared.get(target) === activity.changeCount(target);
  }

  function submit({ source, target }: SharePair): void {
    const facts = factsNow(target);
    const file = known.get(target);
    if (!file || !facts?.plainTier || factsNow(source) === undefined) return;
    if (queue.status().queued >= MAX_QUEUED) return;
    const order = orderFor(file, source);
    const options = { pack: false, because: `equal to inode ${source}`, urgent: false };
    const job = queue.submit('share', target, facts.plainTier, { ...options, share: order });
    void queue.finished(job).then(
      () => ended(file, order, true),
      () => ended(file, order, false),
    );
  }

  function orderFor(file: Known, source: number): ShareOrder {
    const sourceChanges = activity.changeCount(source);
    const { order, changes: targetChanges } = file;
    if (order?.source === source && order.sourceChanges === sourceChanges) return order;
    return (file.order = { source, sourceChanges, targetChanges, offset: 0 });
  }

  function ended(file: Known, order: ShareOrder, complete: boolean): void {
    if (complete) file.compared.set(order.source, order.sourceChanges);
    file.samples = null;
    const source = known.get(order.source);
    if (source) source.samples = null;
  }

  return {
    collect,
    async close() {
      closed = true;
      await looking;
    },
  };
}

/** Answers `status`. */
import { DAMAGE_COUNTED } from '../../content/limits.js';
import type { StatusDocument, TierDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { isRemoved, type Tier } from '../../tiers/types.js';
import { VERSION } from '../../config/version.js';

const PACKS_NAMED = 5;
const started = new Date().toISOString();

export function status(parts: Parts): StatusDocument {
  const { plan, tiers, content, migration, namespace, store } = parts;
  const { settings } = plan;
  tiers.lookAtFull();
  const problems = tiers.tiers.flatMap((tier) => tier.problem ?? []);
  if (store.failed !== null) problems.push(`nothing becomes durable: ${store.failed.message}`);
  problems.push(...damageOf(content), ...lossOf(parts));
  return {
    mountpoint: plan.mountpoint,
    volume: plan.directory,
    volumeId: plan.volume.id,
    version: VERSION,
    pid: process.pid,
    started,
    health: problems.length === 0 ? 'ok' : 'degraded',
    problems,
    policy: settings.policy,
    readOnly: settings.mount.readOnly,
    passthrough: parts.filesystem.passthrough,
    channel: settings.channel,
    tiers: tiers.tiers.map((tier) => tierDocument(parts, tier)),
    savings: content.savings(),
    migration: migration.status(),
    counts: {
      inodes: namespace.counts.inodes,
      packs: content.packs().length,
      unsettled: namespace.unsettled().length,
      openHandles: parts.filesystem.openHandles(),
    },
  };
}

function damageOf(content: Parts['content']): string[] {
  const { badChunks, lostPacks } = content.damage();
  const found: string[] = [];
  if (badChunks > 0) {
    const count = badChunks === DAMAGE_COUNTED ? `${badChunks} or more` : String(badChunks);
    found.push(
      `damaged chunks: ${count}; scrub mends what can be mended, and names the files of the rest`,
    );
  }
  if (lostPacks.length > 0) {
    const list = lostPacks.slice(0, PACKS_NAMED).join(', ');
    const rest =
      lostPacks.length > PACKS_NAMED ? ` and ${lostPacks.length - PACKS_NAMED} more` : '';
    found.push(`packs whose file is not there: ${list}${rest}; put it back`);
  }
  return found;
}

/** Bounded: it is asked for every few seconds. */
function lossOf({ namespace, tiers }: Parts): string[] {
  let lost = 0;
  for (const ino of namespace.lost(DAMAGE_COUNTED)) {
    const inode = namespace.peek(ino);
    if (inode && inode.nlink > 0 && isRemoved(tiers, inode.plainTier)) lost++;
  }
  if (lost === 0) return [];
  const count = lost === DAMAGE_COUNTED ? `${lost} or more` : String(lost);
  return [
    `plain files that were lost with a tier: ${count}; fsck names them: restore them from a backup, or delete them`,
  ];
}

function tierDocument(parts: Parts, tier: Tier): TierDocument {
  const { watermarks, tierWatermarks } = parts.plan.settings;
  const { capacity, used, free, plainBytes, packedBytes } = parts.tiers.usage(tier);
  return {
    name: tier.name,
    medium: tier.medium,
    path: tier.path,
    capacity,
    used,
    free,
    plainBytes,
    packedBytes,
    ...watermarks,
    ...tierWatermarks[tier.name],
    sharesExtents: tier.sharesExtents,
    state: tier.state,
    problem: tier.problem,
  };
}

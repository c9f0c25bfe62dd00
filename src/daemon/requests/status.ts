/** Answers `status`. */
import type { StatusDocument, TierDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import type { Tier } from '../../tiers/types.js';
import { VERSION } from '../../config/version.js';

const started = new Date().toISOString();

export function status(parts: Parts): StatusDocument {
  const { plan, tiers, content, migration, namespace, store } = parts;
  const { settings } = plan;
  tiers.lookAtFull();
  const problems = tiers.tiers.flatMap((tier) => tier.problem ?? []);
  if (store.failed !== null) problems.push(`nothing becomes durable: ${store.failed.message}`);
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

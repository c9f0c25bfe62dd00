/** Answers `pin` and `unpin`. The next sweep moves what is not where its pin says. */
import { CoralError, ExitCode } from '../../config/errors.js';
import type { Tier } from '../../tiers/types.js';
import type { PinDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { findTarget, mustBeWritable, pinnedTo, tierArgument, type Target } from './find.js';

export async function pin(parts: Parts, args: Record<string, unknown>): Promise<PinDocument> {
  mustBeWritable(parts);
  const target = findTarget(parts.namespace, args);
  return setPin(parts, target, tierArgument(parts.tiers, args) ?? currentTier(parts, target));
}

export async function unpin(parts: Parts, args: Record<string, unknown>): Promise<PinDocument> {
  mustBeWritable(parts);
  return setPin(parts, findTarget(parts.namespace, args), null);
}

/** Durable when it returns. */
async function setPin(parts: Parts, target: Target, tier: Tier | null): Promise<PinDocument> {
  const { namespace } = parts;
  const before = parts.tiers.byId(target.inode.pin)?.name ?? null;
  target.inode.pin = tier?.id ?? 0;
  namespace.update(target.inode);
  await namespace.commit();
  return { path: target.path, before, pinned: pinnedTo(parts, target.inode) };
}

/** Where its plain data is; packed files, directories and the like go to the fastest. */
function currentTier(parts: Parts, { inode, path }: Target): Tier {
  const tier = parts.tiers.byId(inode.plainTier) ?? parts.tiers.tiers[0];
  if (tier.state !== 'missing') return tier;
  throw new CoralError(
    ExitCode.unusable,
    `${path}: tier ${tier.name} is missing. Bring its disk back, or say --to TIER`,
  );
}

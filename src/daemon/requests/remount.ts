/**
 * Answers `remount`: what of it is not the kernel's. Between the two the mount is never writable for programs
 * while the daemon takes it for read-only: the client asks before the kernel lets writers in, and after the
 * kernel shut them out.
 */
import { liveChanges } from '../../config/live.js';
import { checkTierNames } from '../../config/settings.js';
import type { KernelMount } from '../../config/types.js';
import { giveUpRemovedTiers } from '../../integrity/removed-tiers.js';
import { cutMoves } from '../../migration/journal.js';
import { setLevel } from '../../observe/log.js';
import type { Handler } from '../control.js';
import { beginGeneration } from '../generation.js';
import type { RemountDocument } from '../documents.js';
import { makeDurable, type Parts } from '../parts.js';
import { settingsFor, type MountPlan } from '../preflight.js';
import { textArgument } from './find.js';

/**
 * Arguments: `options`, our own ones as text for `-o`; `readOnly`, where it is to change; `flags`, MS_* bits that the
 * kernel has now.
 */
export function createRemount(parts: Parts): Handler {
  let pausedBefore = false;
  let turn: Promise<unknown> = Promise.resolve();

  async function becomeReadOnly(): Promise<void> {
    pausedBefore = parts.migration.status().state === 'paused';
    parts.migration.pause();
    await parts.filesystem.releaseDeleted();
    await makeDurable(parts);
    setMount(parts.plan, { readOnly: true });
    await parts.tiers.setReadOnly(true);
  }

  async function becomeWritable(): Promise<void> {
    await parts.tiers.setReadOnly(false);
    // Left undone where the mount began as read-only. What is open now is served from what is left, as it will be.
    await giveUpRemovedTiers(parts, false, cutMoves(parts.store));
    // Copies of the namespace were made when it became read-only.
    await beginGeneration(parts.store, parts.tiers, parts.log);
    setMount(parts.plan, { readOnly: false });
    if (!pausedBefore && parts.plan.settings.migrateRate !== 0) parts.migration.resume();
  }

  async function remount(args: Record<string, unknown>): Promise<RemountDocument> {
    const { mountpoint, directory: volume, settings } = parts.plan;
    const changed = await changeSettings(parts, textArgument(args, 'options'));
    const { readOnly = settings.mount.readOnly, flags } = args;
    if (readOnly === true && !settings.mount.readOnly) await becomeReadOnly();
    if (readOnly === false && settings.mount.readOnly) await becomeWritable();
    if (Number.isInteger(flags)) setMount(parts.plan, { flags: flags as number });
    parts.log.info({ changed, readOnly: settings.mount.readOnly }, 'remounted');
    return { mountpoint, volume, readOnly: settings.mount.readOnly, changed };
  }

  /** One after the other: each makes a difference to what the one before it left. */
  return (args) => {
    const mine = turn.then(() => remount(args));
    turn = mine.catch(() => undefined);
    return mine;
  };
}

/** @returns the names of what changed. @throws CoralError where nothing was changed */
async function changeSettings({ plan, migration, log }: Parts, text: string): Promise<string[]> {
  if (text === '') return [];
  const options = [...plan.options, text];
  const { settings: before } = await settingsFor(plan.directory, plan.options);
  const { settings: after } = await settingsFor(plan.directory, options);
  const changes = liveChanges(before, after);
  checkTierNames(
    after,
    plan.volume.tiers.map((tier) => tier.name),
  );
  plan.options = options;
  Object.assign(plan.settings, changes);
  setLevel(log, plan.settings.log);
  migration.settingsChanged();
  if (plan.settings.mount.readOnly) migration.pause();
  return Object.keys(changes);
}

function setMount({ settings }: MountPlan, change: Partial<KernelMount>): void {
  settings.mount = { ...settings.mount, ...change };
}

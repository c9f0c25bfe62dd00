/** Every request that the control socket answers, by its verb. */
import { setTimeout as delay } from 'node:timers/promises';
import { usageError } from '../../config/errors.js';
import { shown } from '../../config/mountinfo.js';
import { checkVolume } from '../../integrity/fsck.js';
import type { CheckDeps } from '../../integrity/report.js';
import { scrub } from '../../integrity/scrub.js';
import type { CopyControl } from '../../native.js';
import type { Handlers, Progress } from '../control.js';
import type { CheckDocument, MigrationDocument, PolicyDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { createDrain } from './drain.js';
import { explain } from './explain.js';
import { mustBeWritable } from './find.js';
import { gc } from './gc.js';
import { importFiles } from './import.js';
import { move } from './move.js';
import { pin, unpin } from './pin.js';
import { createRemount } from './remount.js';
import { status } from './status.js';
import { where } from './where.js';

/** `stopping` is cancelled when the volume is unmounted: a check that is under way ends. */
export function createHandlers(parts: Parts, stopping: CopyControl): Handlers {
  return {
    status: () => status(parts),
    where: (args) => where(parts, args),
    explain: (args) => explain(parts, args),
    promote: (args, progress) => move('promote', parts, args, progress),
    demote: (args, progress) => move('demote', parts, args, progress),
    import: (args, progress, gone) => importFiles(parts, args, progress, gone),
    drain: createDrain(parts, stopping),
    pin: (args) => pin(parts, args),
    unpin: (args) => unpin(parts, args),
    migration: (args) => migration(parts, args),
    policy: () => policy(parts),
    remount: createRemount(parts),
    gc: (args) => gc(parts, args),
    scrub: (_args, progress) => scrubAll(checkable(parts, stopping), progress),
    fsck: (args, progress) =>
      checkVolume(checkable(parts, stopping), { deep: args['deep'] === true, progress }),
  };
}

/** A pause of moves holds up no check, and what it can mend is mended. */
function checkable(parts: Parts, stopping: CopyControl): CheckDeps {
  const { content, migration } = parts;
  const heal = (names: Buffer[]) => migration.unpaused(() => content.heal(names));
  const dropHotCopy = (ino: number) => dropPlain(parts, ino);
  const isMoving = (ino: number) => migration.jobsOf(ino).length > 0;
  return { ...parts, content: { ...content, heal }, isMoving, dropHotCopy, stopping };
}

/** As a demotion to where it is packed, which reads the packed form first. */
async function dropPlain(parts: Parts, ino: number): Promise<boolean> {
  const { namespace, tiers, migration, filesystem, plan } = parts;
  const packed = tiers.byId(namespace.get(ino)?.packedTier ?? 0);
  const isStill = plan.settings.mount.readOnly || migration.status().state === 'paused';
  if (!packed || isStill || filesystem.activity.handles(ino).total > 0) return false;
  const options = { pack: true, because: 'its plain copy is damaged', urgent: true };
  const job = migration.submit('demote', ino, packed.name, options);
  // Who opens it meanwhile, or pauses moves, does not hold up the check: the job goes on when it can.
  while (job.state === 'queued' || job.state === 'running') {
    if (migration.status().state === 'paused') return false;
    await Promise.race([migration.finished(job).catch(() => undefined), delay(LOOK_AGAIN_MS)]);
  }
  return namespace.get(ino)?.plainTier === 0;
}

const LOOK_AGAIN_MS = 100;

async function scrubAll(deps: CheckDeps, progress: Progress): Promise<CheckDocument> {
  const { packs, chunks, copies, ...found } = await scrub(deps, progress);
  return { checked: { packs, chunks, copies }, ...found };
}

function migration(parts: Parts, args: Record<string, unknown>): MigrationDocument {
  const { migration, namespace } = parts;
  if (args['action'] === 'resume') mustBeWritable(parts);
  if (args['action'] === 'pause') migration.pause();
  else if (args['action'] === 'resume') migration.resume();
  else if (args['action'] !== 'status') throw usageError('migration: status, pause or resume');
  const running = migration.status().running.map((job) => {
    const path = namespace.pathOf(job.ino);
    return { ...job, path: path === undefined ? null : shown(path) };
  });
  return { ...migration.status(), running, failures: migration.failures() };
}

function policy(parts: Parts): PolicyDocument {
  const { settings } = parts.plan;
  const rules = settings.rules.map(
    ({ match, place }) => `${JSON.stringify(match)} -> ${JSON.stringify(place)}`,
  );
  const migrateRate = settings.migrateRate === Infinity ? null : settings.migrateRate;
  return { settings: { ...settings, migrateRate }, rules };
}

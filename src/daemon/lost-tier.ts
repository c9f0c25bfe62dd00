/**
 * A tier whose disk is gone for good: which files are lost with it, the list of them, and what is done once the volume has it no
 * more. Before that nothing changes; from then on each opening of the volume puts in order what is left (`removed-tiers.ts`).
 */
import { open, rm } from 'node:fs/promises';
import { CoralError, reasonOf } from '../config/errors.js';
import { formatSize } from '../config/units.js';
import { lostWithTier, type LostFile, type Losses } from '../integrity/lost-files.js';
import { newerThanStore } from '../integrity/restored.js';
import { cutMoves } from '../migration/journal.js';
import { keepAccount } from '../tiers/account.js';
import { unusable } from '../tiers/directory.js';
import { syncDirectory } from '../tiers/durable-json.js';
import { presence } from '../tiers/gone.js';
import type { TierConfig, VolumeConfig } from '../tiers/types.js';
import type { LossDocument } from './documents.js';
import { lookAt } from './looking.js';
import { withVolume } from './offline.js';
import { settingsFor } from './preflight.js';

/** @throws CoralError where its disk is there, or may be: wherever the volume's settings say that the tier is now, too */
export async function mustBeGone(
  directory: string,
  volume: VolumeConfig,
  tier: TierConfig,
): Promise<void> {
  const { settings } = await settingsFor(directory, []);
  const elsewhere = settings.tierDirectories[tier.name] ?? tier.path;
  for (const path of new Set([elsewhere, tier.path])) {
    const found = await presence({ ...tier, path }, volume.id);
    if (found === null) continue;
    throw unusable(
      `${found}, so it is not lost. Mount the volume and empty it: coral-reef tier drain MOUNTPOINT ${tier.name} --to TIER; ` +
        `where it can only be read, copy it to another disk (rsync -aSX) and name that: coral-reef tier set ${directory} ` +
        `${tier.name} --path DIR. To give it up all the same, take its disk away first`,
    );
  }
}

/** What is lost with the tier. `isToGo`: notes durably that it is to go. @throws CoralError */
export async function survey(
  directory: string,
  volume: VolumeConfig,
  tier: TierConfig,
  isToGo: boolean,
): Promise<Losses> {
  const { settings } = await settingsFor(directory, []);
  const rest = { ...volume, tiers: volume.tiers.filter((one) => one !== tier) };
  const overrides = withoutRemoved(settings.tierDirectories, rest);
  const found = await lookAt(
    directory,
    rest,
    async ({ store, namespace, tiers }) => {
      if (await newerThanStore(store, tiers)) {
        throw unusable(
          `${directory}: its namespace is an older copy. Mount it once with -o missing-tier=degraded, which takes in what is newer, then try again`,
        );
      }
      const moves = cutMoves(store);
      const losses = await lostWithTier({ store, namespace, tiers }, tier.id, moves);
      if (isToGo) keepAccount(store, tier.id);
      await store.commit();
      return losses;
    },
    { missingTier: 'degraded', overrides },
  ).catch((error: unknown) => {
    if (error instanceof CoralError) throw error;
    throw unusable(`${directory}: its namespace can't be read or written: ${reasonOf(error)}`);
  });
  if (found !== undefined) return found;
  throw unusable(
    `${directory}: what is on tier ${tier.name} stands in its namespace, which is gone; put a copy of it in place and mount the volume first`,
  );
}

/** Writes the list, durably, unless nothing is lost. @throws CoralError; no list is left then */
export async function listLosses(
  directory: string,
  { id, name }: Pick<TierConfig, 'id' | 'name'>,
  losses: Losses,
): Promise<LossDocument> {
  const counts = summed(losses);
  const { files } = losses;
  if (files.length === 0) return { ...counts, list: null };
  const title =
    `# Lost with tier ${name} (number ${id}), ${new Date().toISOString()}: size, bytes of it that are lost, path below the ` +
    'mount point; a tab between them, \\t \\n \\\\ stand for tab, newline and backslash in a name\n';
  return { ...counts, list: await writeList(directory, name, [title, ...files.map(linesOf)]) };
}

export function summed({ files, pins }: Losses): Omit<LossDocument, 'list'> {
  const sum = (of: (file: LostFile) => number): number =>
    files.reduce((total, file) => total + of(file), 0);
  return {
    files: files.length,
    partly: files.filter(({ size, lost }) => lost < size).length,
    bytes: sum(({ size }) => size),
    lostBytes: sum(({ lost }) => lost),
    pins,
  };
}

/** As part of a sentence. */
export function lossText({ files, partly, bytes }: Omit<LossDocument, 'list'>): string {
  if (files === 0) return 'nothing';
  const some = partly === 0 ? '' : `, ${partly} of them in part`;
  return `${files} file${files === 1 ? '' : 's'} with ${formatSize(bytes)}${some}`;
}

/** As the next mount would, with any other tier that is not there. @returns what went wrong, one line each */
export async function settleRemoval(directory: string): Promise<string[]> {
  try {
    await withVolume(
      directory,
      [],
      async () => undefined,
      (settings, volume) => ({
        ...settings,
        missingTier: 'degraded',
        tierDirectories: withoutRemoved(settings.tierDirectories, volume),
      }),
    );
    return [];
  } catch (error) {
    if (!(error instanceof CoralError)) throw error;
    return [`the next mount puts the rest in order: ${error.message}`];
  }
}

function withoutRemoved(
  directories: Readonly<Record<string, string>>,
  { tiers }: Pick<VolumeConfig, 'tiers'>,
): Record<string, string> {
  const known = Object.entries(directories).filter(([name]) =>
    tiers.some((tier) => tier.name === name),
  );
  return Object.fromEntries(known);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' };

/** Names are bytes. A file whose directory entries are gone has none. */
function linesOf({ paths, size, lost }: LostFile): string {
  const names = paths.length === 0 ? [''] : paths;
  return names
    .map((path) => `${size}\t${lost}\t${path.replace(/[\\\t\n]/g, (one) => ESCAPES[one])}\n`)
    .join('');
}

async function writeList(directory: string, tier: string, lines: string[]): Promise<string> {
  const base = `${directory}/lost-${tier}-${new Date().toISOString().slice(0, 10)}`;
  for (let number = 1; ; number++) {
    const path = number === 1 ? `${base}.txt` : `${base}-${number}.txt`;
    try {
      return await writeNew(directory, path, lines);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw unusable(`${path} can't be written: ${reasonOf(error)}; mend that, then try again`);
    }
  }
}

async function writeNew(directory: string, path: string, lines: string[]): Promise<string> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(Buffer.from(lines.join(''), 'latin1'));
    await file.sync();
    await syncDirectory(directory);
    return path;
  } catch (error) {
    await rm(path, { force: true }).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}

/** Work on a volume that nobody has mounted: opened under its lock, closed again. */
import type { Settings } from '../config/types.js';
import { checkVolume } from '../integrity/fsck.js';
import type { CheckDocument } from './documents.js';
import { openForegroundLog } from '../observe/log.js';
import type { VolumeConfig } from '../tiers/types.js';
import { readVolume } from '../tiers/volume.js';
import { openVolume, type VolumeParts } from './parts.js';
import { volumeDirectory } from './mount-request.js';
import { settingsFor } from './preflight.js';
import { createTeardown } from './teardown.js';

/** @throws CoralError where the volume is in use or can't be opened */
export async function checkOffline(
  typed: string,
  options: readonly string[],
  deep: boolean,
): Promise<CheckDocument> {
  return withVolume(volumeDirectory(typed), options, async (parts) => {
    const { checked, ...found } = await checkVolume(parts, { deep });
    return { checked: { ...checked }, ...found };
  });
}

/**
 * Opens a volume as a mount does, and closes it. `adjusted`: settings in place of those that `options` and the volume's file
 * say. @throws CoralError where it is in use or can't be opened
 */
export async function withVolume<Found>(
  directory: string,
  options: readonly string[],
  use: (parts: VolumeParts) => Promise<Found>,
  adjusted = (settings: Settings, _volume: VolumeConfig): Settings => settings,
): Promise<Found> {
  const { settings, warnings } = await settingsFor(directory, options);
  const volume = await readVolume(directory);
  const plan = {
    directory,
    volume,
    mountpoint: '',
    options,
    settings: adjusted(settings, volume),
    warnings,
    leftover: undefined,
  };
  const log = openForegroundLog('warn', (text) => process.stderr.write(text));
  const teardown = createTeardown(log);
  try {
    return await use(await openVolume(plan, null, log, teardown));
  } finally {
    await teardown.run();
  }
}

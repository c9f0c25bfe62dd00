/** Work on a volume that nobody has mounted: opened under its lock, closed again. */
import { checkVolume } from '../integrity/fsck.js';
import type { CheckDocument } from './documents.js';
import { openForegroundLog } from '../observe/log.js';
import { readVolume } from '../tiers/volume.js';
import { openVolume } from './parts.js';
import { volumeDirectory } from './mount-request.js';
import { settingsFor } from './preflight.js';
import { createTeardown } from './teardown.js';

/** @throws CoralError where the volume is in use or can't be opened */
export async function checkOffline(
  typed: string,
  options: readonly string[],
  deep: boolean,
): Promise<CheckDocument> {
  const directory = volumeDirectory(typed);
  const { settings, warnings } = await settingsFor(directory, options);
  const volume = await readVolume(directory);
  const plan = {
    directory,
    volume,
    mountpoint: '',
    options,
    settings,
    warnings,
    leftover: undefined,
  };
  const log = openForegroundLog('warn', (text) => process.stderr.write(text));
  const teardown = createTeardown(log);
  try {
    const parts = await openVolume(plan, null, log, teardown);
    const { checked, ...found } = await checkVolume(parts, { deep });
    return { checked: { ...checked }, ...found };
  } finally {
    await teardown.run();
  }
}

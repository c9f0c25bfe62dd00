/** Work on a volume that nobody has mounted: opened under its lock, closed again. */
import { join } from 'node:path';
import { DEFAULT_CONFIG_FILE, loadSettings } from '../config/settings.js';
import { checkVolume } from '../integrity/fsck.js';
import type { CheckDocument } from './documents.js';
import { openForegroundLog } from '../observe/log.js';
import { readVolume } from '../tiers/volume.js';
import { openVolume } from './parts.js';
import { volumeDirectory } from './preflight.js';
import { createTeardown } from './teardown.js';

/** @throws CoralError where the volume is in use or can't be opened */
export async function checkOffline(
  typed: string,
  options: readonly string[],
  deep: boolean,
): Promise<CheckDocument> {
  const directory = volumeDirectory(typed);
  const { settings, warnings } = loadSettings({
    options,
    environment: process.env,
    defaultConfigFile: join(directory, DEFAULT_CONFIG_FILE),
    isRoot: true,
  });
  const volume = await readVolume(directory);
  const plan = { directory, volume, mountpoint: '', settings, warnings, leftover: undefined };
  const log = openForegroundLog('warn', (text) => process.stderr.write(text));
  const teardown = createTeardown(log);
  try {
    const parts = await openVolume(plan, null, log, teardown);
    const { checked, problems } = await checkVolume(parts, { deep });
    return { checked: { ...checked }, problems };
  } finally {
    await teardown.run();
  }
}

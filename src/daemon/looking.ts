/** A look at what the namespace of a volume knows, while nobody has it mounted. Whoever calls holds its lock. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openContentStore } from '../content/content-store.js';
import type { CheckDeps } from '../integrity/report.js';
import { openNamespace } from '../namespace/namespace.js';
import { openForegroundLog } from '../observe/log.js';
import { DATA_FILE } from '../store/files.js';
import { openStore } from '../store/store.js';
import { unusable } from '../tiers/directory.js';
import { openTierSet, type OpenTierSet } from '../tiers/tier-set.js';
import type { VolumeConfig } from '../tiers/types.js';

type Tolerance = Pick<OpenTierSet, 'missingTier' | 'overrides'>;

/**
 * Opens what knows of the files on the tiers of `volume`, which may be some of those that there are. Nothing is written to
 * the tiers. Undefined without a database: nobody knows. @throws CoralError
 */
export async function lookAt<Found>(
  directory: string,
  volume: VolumeConfig,
  look: (deps: CheckDeps) => Promise<Found>,
  { missingTier, overrides }: Tolerance = { missingTier: 'fail', overrides: {} },
): Promise<Found | undefined> {
  const place = join(directory, 'namespace');
  if (!(await isFilled(join(place, DATA_FILE)))) return undefined;
  const log = openForegroundLog('error', (text) => process.stderr.write(text));
  const store = await openStore(place, { create: false }).catch((error: unknown) => {
    throw unusable((error as Error).message);
  });
  try {
    const tiers = await openTierSet({
      volume,
      overrides,
      missingTier,
      readOnly: true,
      store,
      log,
    });
    const { id: volumeId, chunking } = volume;
    const content = openContentStore({ store, tiers, volumeId, chunking, log });
    return await look({ store, namespace: openNamespace(store), tiers, content });
  } finally {
    await store.close();
  }
}

async function isFilled(path: string): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size > 0,
    () => false,
  );
}

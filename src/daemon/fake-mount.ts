/** `mount --fake`: what a mount would be refused for, as things are now. Writes nothing and waits for nothing. */
import { checkTiers, configuredTiers } from '../tiers/tier-set.js';
import { mustBeFree } from './lock.js';
import type { MountRequest } from './mount-request.js';
import { planMount } from './preflight.js';

export interface FakeMount {
  mountpoint: string;
  volume: string;
  fake: true;
  warnings: readonly string[];
}

/** @throws CoralError as the mount would */
export async function fakeMount(request: MountRequest): Promise<FakeMount> {
  const { directory, volume, mountpoint, settings, warnings } = await planMount(request);
  const { missingTier, mount, tierDirectories } = settings;
  const tiers = configuredTiers({ volume, overrides: tierDirectories });
  mustBeFree(directory);
  await checkTiers(tiers, { volume, missingTier, readOnly: mount.readOnly });
  return { mountpoint, volume: directory, fake: true, warnings };
}

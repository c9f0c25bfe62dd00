/** Begins a generation of the namespace, so that a copy which is older than it is known as such. */
import type { Log } from '../observe/log.js';
import { generationOf, setGeneration } from '../store/generation.js';
import type { Store } from '../store/types.js';
import { noteGeneration } from '../tiers/generation.js';
import { isWritable, type TierSet } from '../tiers/types.js';

/** Before the tiers get anything new. A tier that can't note it knows the one before. */
export async function beginGeneration(store: Store, tiers: TierSet, log: Log): Promise<void> {
  if (tiers.readOnly || store.failed) return;
  const generation = generationOf(store) + 1;
  setGeneration(store, generation);
  try {
    // What is not durable here must not be noted there: this namespace would be taken for a copy.
    await store.commit();
  } catch (error) {
    log.warn({ err: error }, 'no generation was begun');
    return;
  }
  const writable = tiers.tiers.filter(isWritable);
  const noting = writable.map(({ name, path }) =>
    noteGeneration(path, generation).catch((error: unknown) => {
      log.warn({ tier: name, err: error }, 'a tier could not note the generation');
    }),
  );
  await Promise.all(noting);
}

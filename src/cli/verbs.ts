/** Every verb, in the order of the help. Loaded when named: what a verb does not use costs it no time. */
import { SERVE_VERB } from '../daemon/ready.js';
import type { Verb } from './verb.js';

const LOADERS: Readonly<Record<string, () => Promise<Verb>>> = {
  init: async () => (await import('./init.js')).initVerb,
  mount: async () => (await import('./mount.js')).mountVerb,
  unmount: async () => (await import('./unmount.js')).unmountVerb,
  tier: async () => (await import('./tier.js')).tierVerb,
  status: async () => (await import('./status.js')).statusVerb,
  where: async () => (await import('./where.js')).whereVerb,
  explain: async () => (await import('./explain.js')).explainVerb,
  promote: async () => (await import('./move.js')).promoteVerb,
  demote: async () => (await import('./move.js')).demoteVerb,
  pin: async () => (await import('./pin.js')).pinVerb,
  unpin: async () => (await import('./pin.js')).unpinVerb,
  import: async () => (await import('./import.js')).importVerb,
  export: async () => (await import('./export.js')).exportVerb,
  migration: async () => (await import('./migration.js')).migrationVerb,
  policy: async () => (await import('./policy.js')).policyVerb,
  gc: async () => (await import('./gc.js')).gcVerb,
  scrub: async () => (await import('./check.js')).scrubVerb,
  fsck: async () => (await import('./check.js')).fsckVerb,
  doctor: async () => (await import('./doctor.js')).doctorVerb,
  help: async () => (await import('./help.js')).helpVerb(allVerbs),
  version: async () => (await import('./version.js')).versionVerb,
};

export const VERB_NAMES: readonly string[] = Object.keys(LOADERS);

/** Undefined where there is no such verb. */
export async function loadVerb(name: string): Promise<Verb | undefined> {
  if (name === SERVE_VERB) return (await import('./mount.js')).serveVerb;
  return Object.hasOwn(LOADERS, name) ? LOADERS[name]() : undefined;
}

function allVerbs(): Promise<Verb[]> {
  return Promise.all(Object.values(LOADERS).map((load) => load()));
}

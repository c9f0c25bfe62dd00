/** `import`: bring files into a mounted volume, packed at once. */
import type { ExitCode } from '../config/errors.js';
import { locatePath } from './locate.js';
import type { Invocation, Verb } from './verb.js';

export const importVerb: Verb = {
  name: 'import',
  usage: 'PATH... DIR [--to TIER]',
  summary: 'copy files and folders in to DIR, packed at once on a slow tier',
  details: [
    'For much that is cold: the fast tier needs no room for it. Each file is packed on the tier that the',
    'rules have for cold files, or on TIER, and read back. Databases, configuration and what else the',
    'rules or a pin keep plain is copied as cp would.',
    'Keeps what cp -a keeps: modes, owners, times, links, holes, extended attributes and ACLs.',
    'Nothing that exists is replaced. What is the same already (type, size and time) is skipped, so an',
    'import that was stopped is finished by repeating it. Each file appears when it is whole, and when',
    'the command returns everything is durable. FOLDER/. stands for what is in FOLDER.',
    'A file that fails is named and the others go on; exit code 1 then. The originals stay.',
  ],
  flags: {
    to: { type: 'string', value: 'TIER', help: 'the tier to pack on' },
  },
  arity: [2, Infinity],
  run: runImport,
};

async function runImport(invocation: Invocation): Promise<ExitCode> {
  const { positionals } = invocation;
  const to = positionals[positionals.length - 1];
  const { importTarget, rootsOf } = await import('./tree-copy/places.js');
  const { packingCarrier } = await import('./tree-copy/packing-carrier.js');
  const { runCopy } = await import('./tree-copy/run-copy.js');
  const target = await importTarget(to);
  const roots = await rootsOf(positionals.slice(0, -1), target);
  const tier = invocation.text('to') ?? null;
  const carrier = packingCarrier(locatePath(to), target.directory.source, tier);
  return runCopy(invocation.output, target, roots, carrier);
}

/** `export`: get files out of a mounted volume, several at once. */
import type { ExitCode } from '../config/errors.js';
import type { Invocation, Verb } from './verb.js';

export const exportVerb: Verb = {
  name: 'export',
  usage: 'PATH... DIR',
  summary: 'copy files and folders out to DIR, several at once, faster than cp',
  details: [
    'Keeps what cp -a keeps: modes, owners, times, links, holes, extended attributes and ACLs.',
    'Nothing that exists is replaced. What is the same already (type, size and time) is skipped, so an',
    'export that was stopped is finished by repeating it. Each file appears when it is whole, and when',
    'the command returns everything is durable. FOLDER/. stands for what is in FOLDER.',
    'A file that fails is named and the others go on; exit code 1 then.',
  ],
  flags: {},
  arity: [2, Infinity],
  run: runExport,
};

async function runExport(invocation: Invocation): Promise<ExitCode> {
  const { positionals } = invocation;
  const { systemCarrier } = await import('./tree-copy/carrier.js');
  const { bareDevices, exportTarget, rootsOf } = await import('./tree-copy/places.js');
  const { runCopy } = await import('./tree-copy/run-copy.js');
  const target = await exportTarget(positionals[positionals.length - 1]);
  const roots = await rootsOf(positionals.slice(0, -1), target);
  const { flush } = target;
  const carrier = systemCarrier({ flush, flushDirectories: flush, bare: bareDevices(roots) });
  return runCopy(invocation.output, target, roots, carrier);
}

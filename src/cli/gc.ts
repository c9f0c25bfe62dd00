/** `gc`: give space back. */
import { ExitCode } from '../config/errors.js';
import { formatSize } from '../config/units.js';
import type { FullReclaimReport } from '../content/types.js';
import { askMount } from './requests.js';
import type { Verb } from './verb.js';

export const gcVerb: Verb = {
  name: 'gc',
  usage: '[MOUNTPOINT] [--unknown]',
  summary: 'give back the space of packs that are mostly deleted files, now',
  flags: {
    unknown: {
      type: 'boolean',
      help: 'also packs that a newer namespace wrote than this one, which is a restored copy',
    },
  },
  arity: [0, 1],
  async run({ positionals, has, output }) {
    const args = { unknown: has('unknown') };
    output.result(await askMount<FullReclaimReport>(positionals[0], 'gc', args), reportLines);
    return ExitCode.done;
  },
};

function reportLines(report: FullReclaimReport): string[] {
  const freed =
    `${formatSize(report.bytesFreed)} freed: ${report.chunksRemoved} chunks, ` +
    `${report.packsRemoved} packs removed, ${report.packsCompacted} compacted ` +
    `(${formatSize(report.bytesMoved)} copied)`;
  if (report.deadBytes === 0) return [freed];
  const dead = formatSize(report.deadBytes);
  return [freed, `${dead} of deleted files stay until more than half of their pack is deleted`];
}

/** `gc`: give space back. */
import { ExitCode } from '../config/errors.js';
import { formatSize } from '../config/units.js';
import type { ReclaimReport } from '../content/types.js';
import { askMount } from './requests.js';
import type { Verb } from './verb.js';

export const gcVerb: Verb = {
  name: 'gc',
  usage: '[MOUNTPOINT]',
  summary: 'give back the space of deleted packed files now',
  flags: {},
  arity: [0, 1],
  async run({ positionals, output }) {
    output.result(await askMount<ReclaimReport>(positionals[0], 'gc'), (report) => [
      `${formatSize(report.bytesFreed)} freed: ${report.chunksRemoved} chunks, ` +
        `${report.packsRemoved} packs removed, ${report.packsCompacted} compacted ` +
        `(${formatSize(report.bytesMoved)} copied)`,
    ]);
    return ExitCode.done;
  },
};

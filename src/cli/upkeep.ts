/** `gc` and `scrub`: give space back, and read everything to see that it is still what was written. */
import { ExitCode } from '../config/errors.js';
import { formatSize } from '../config/units.js';
import type { ReclaimReport } from '../content/types.js';
import { ask } from '../daemon/client.js';
import type { CheckDocument } from '../daemon/documents.js';
import { locateMount } from './locate.js';
import { askMount } from './requests.js';
import { checkLines, checkProgress } from './check.js';
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
        `${report.packsRemoved} packs removed, ${report.packsCompacted} compacted`,
    ]);
    return ExitCode.done;
  },
};

export const scrubVerb: Verb = {
  name: 'scrub',
  usage: '[MOUNTPOINT]',
  summary: 'read all stored data and verify its checksums',
  details: ['Exit code 1 where damage was found.'],
  flags: {},
  arity: [0, 1],
  async run({ positionals, output }) {
    const { volume, mountpoint } = locateMount(positionals[0]);
    const report = await ask(volume, mountpoint, 'scrub', {}, checkProgress(output));
    output.endProgress();
    const document = report as CheckDocument;
    output.result(document, checkLines('scrub'));
    return document.problems.length === 0 ? ExitCode.done : ExitCode.failed;
  },
};

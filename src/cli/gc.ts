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
  // What was copied may be more, where the rest of its pack could not follow yet.
  const freed =
    `${formatSize(Math.max(0, report.bytesFreed))} freed: ${report.chunksRemoved} chunks, ` +
    `${report.packsRemoved} packs removed, ${report.packsCompacted} compacted ` +
    `(${formatSize(report.bytesMoved)} copied)`;
  return [freed, ...leftLines(report)];
}

/** What stays, and why. */
export function leftLines({
  deadBytes,
  noRoom,
  deadBesideDamage,
}: Pick<FullReclaimReport, 'deadBytes' | 'noRoom' | 'deadBesideDamage'>): string[] {
  const lines = noRoom.map(
    (short) =>
      `${formatSize(short.deadBytes)} of deleted files stay on tier ${short.tier}: what is left of ` +
      `their packs has to be copied, which takes ${formatSize(short.neededBytes)} at least; ` +
      `${formatSize(short.freeBytes)} are free there`,
  );
  if (deadBesideDamage > 0) {
    const text = 'something in the rest of their packs is damaged; scrub names the files';
    lines.push(`${formatSize(deadBesideDamage)} of deleted files stay: ${text}`);
  }
  const rest = noRoom.reduce((left, short) => left - short.deadBytes, deadBytes - deadBesideDamage);
  if (rest > 0) {
    const until = 'until more than half of their pack is deleted';
    lines.push(`${formatSize(rest)} of deleted files stay ${until}`);
  }
  return lines;
}

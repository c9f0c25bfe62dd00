/** `migration`: look at the queue of moves, stop it, let it go on. */
import { ExitCode, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { formatSize } from '../config/units.js';
import type { MigrationDocument } from '../daemon/documents.js';
import { table } from './output.js';
import { askMount } from './requests.js';
import { migrationText } from './status.js';
import type { Verb } from './verb.js';

const ACTIONS = ['status', 'pause', 'resume'];

export const migrationVerb: Verb = {
  name: 'migration',
  usage: 'status|pause|resume [MOUNTPOINT]',
  summary: 'the queue of moves: look at it, stop it, let it go on',
  flags: {},
  arity: [1, 2],
  async run({ positionals: [action, mountpoint], output }) {
    if (!ACTIONS.includes(action)) {
      throw usageError(
        `migration: "${action}" is not allowed${didYouMean(action, ACTIONS) || '.'} ` +
          `Allowed: ${ACTIONS.join(', ')}`,
      );
    }
    const status = await askMount<MigrationDocument>(mountpoint, 'migration', { action });
    output.result(status, lines);
    return ExitCode.done;
  },
};

function lines(status: MigrationDocument): string[] {
  const rows = status.running.map((job) => [
    job.kind,
    job.tier,
    job.state,
    formatSize(job.done),
    formatSize(job.total),
    job.path ?? `inode ${job.ino}`,
  ]);
  const header = ['JOB', 'TIER', 'STATE', 'DONE', 'OF', 'PATH'];
  const running = rows.length === 0 ? [] : ['', ...table(header, rows, ['DONE', 'OF'])];
  const failed = status.failures.map(({ time, error }) => `${time}  ${error}`);
  const failures = failed.length === 0 ? [] : ['', 'Failed, and not done since:', ...failed];
  return [migrationText(status), ...running, ...failures];
}

/** `explain`: which rule put a file where it is, what happens to it next and why. */
import { ExitCode } from '../config/errors.js';
import type { ExplainDocument } from '../daemon/documents.js';
import { locatePath } from './locate.js';
import { askPath } from './requests.js';
import type { Verb } from './verb.js';

export const explainVerb: Verb = {
  name: 'explain',
  usage: 'PATH',
  summary: 'which rule put it there, what will happen to it next and why',
  flags: {},
  arity: [1, 1],
  async run({ positionals, output }) {
    const located = locatePath(positionals[0]);
    output.result(await askPath<ExplainDocument>(located, 'explain'), lines);
    return ExitCode.done;
  },
};

function lines(file: ExplainDocument): string[] {
  const jobs = file.jobs.map(
    (job) => `${job.kind} ${job.kind === 'share' ? 'on' : 'to'} ${job.tier}, ${job.state}`,
  );
  const rows: [string, string][] = [
    ['path', file.path],
    ['now', file.now],
    ['heat', heatText(file)],
    ['rule', file.rule],
    ['next', file.next],
    ...jobs.map((text): [string, string] => ['job', text]),
  ];
  return rows.map(([name, text]) => `${name.padEnd(5)} ${text}`);
}

function heatText(file: ExplainDocument): string {
  if (file.heat === null) return '-';
  const opened = file.lastOpened === null ? 'never opened' : `last opened ${file.lastOpened}`;
  return `${file.heat.toFixed(2)} (${file.temperature}), ${opened}`;
}

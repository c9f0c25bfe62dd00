/** `doctor`: what this machine allows, and what each finding means. */
import { ExitCode } from '../config/errors.js';
import { examine, type Finding } from '../daemon/examine.js';
import type { Verb } from './verb.js';

const MARKS = { ok: 'ok  ', note: 'note', bad: 'BAD ' } as const;

export const doctorVerb: Verb = {
  name: 'doctor',
  usage: '[VOLUME|MOUNTPOINT]',
  summary: 'check kernel, FUSE, passthrough, tiers and limits of this machine',
  details: ['Exit code 1 where something keeps Coral Reef from working.'],
  flags: {},
  arity: [0, 1],
  async run({ positionals, output }) {
    const findings = await examine(positionals[0]);
    const healthy = findings.every((finding) => finding.state !== 'bad');
    output.result({ healthy, findings }, () => findings.flatMap(lines));
    return healthy ? ExitCode.done : ExitCode.failed;
  },
};

function lines({ state, subject, found, means }: Finding): string[] {
  return [`${MARKS[state]} ${subject}: ${found}`, ...(means === '' ? [] : [`     ${means}`])];
}

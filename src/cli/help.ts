/** `help`: all verbs, one verb, or the mount options. */
import { ExitCode, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { COMMON_FLAGS, form } from './arguments.js';
import { optionLines } from './help-options.js';
import type { Flag, Verb } from './verb.js';

export function helpVerb(verbs: () => Promise<readonly Verb[]>): Verb {
  return {
    name: 'help',
    usage: '[VERB|options]',
    summary: 'this list, or what one verb does',
    flags: {},
    arity: [0, 1],
    async run({ positionals: [topic], output }) {
      const text = await topicLines(topic, await verbs());
      output.result({ help: text }, (document) => document.help);
      return ExitCode.done;
    },
  };
}

async function topicLines(topic: string | undefined, verbs: readonly Verb[]): Promise<string[]> {
  if (topic === undefined) return overview(verbs);
  if (topic === 'options') return optionLines();
  const verb = verbs.find((one) => one.name === topic);
  if (verb !== undefined) return verbHelp(verb);
  const names = verbs.map((one) => one.name);
  throw usageError(`help: there is no verb "${topic}"${didYouMean(topic, names) || '.'}`);
}

export function overview(verbs: readonly Verb[]): string[] {
  const width = Math.max(...verbs.map((verb) => verb.name.length));
  return [
    'Coral Reef: one namespace over NVMe, SSD and HDD for machines that run AI models.',
    '',
    'Usage: coral-reef VERB ...',
    '',
    ...verbs.map((verb) => `  ${verb.name.padEnd(width)}  ${verb.summary}`),
    '',
    'Every verb takes --json (one JSON document on standard output) and --help.',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not mounted or no daemon, 4 volume or tier unusable.',
  ];
}

export async function verbHelp(verb: Verb): Promise<string[]> {
  const { details = [] } = verb;
  const more = typeof details === 'function' ? await details() : details;
  const tail = more.length === 0 ? [] : ['', ...more];
  const flags = { ...verb.flags, ...COMMON_FLAGS };
  return [form(verb), '', `${verb.summary}.`, '', ...flagLines(flags), ...tail];
}

function flagLines(flags: Readonly<Record<string, Flag>>): string[] {
  return Object.entries(flags).map(([name, flag]) => {
    const short = flag.short === undefined ? '' : `-${flag.short}, `;
    const value = flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : '';
    const left = `  ${short}--${name}${value}`;
    return left.length > 26 ? `${left}  ${flag.help}` : `${left.padEnd(28)}${flag.help}`;
  });
}

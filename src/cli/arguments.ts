/** From the words after a verb to its positionals and flags, by the verb's own table. */
import { parseArgs } from 'node:util';
import { usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { createOutput } from './output.js';
import type { Flag, Invocation, Verb } from './verb.js';

export const COMMON_FLAGS: Readonly<Record<string, Flag>> = {
  json: { type: 'boolean', help: 'one JSON document on standard output' },
  debug: { type: 'boolean', help: 'show the stack of an error' },
  help: { type: 'boolean', short: 'h', help: 'what this verb does' },
};

type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** @throws usage errors that name the flag or what is missing, and the verb's form. */
export function parseInvocation(verb: Verb, words: readonly string[]): Invocation {
  const flags = { ...COMMON_FLAGS, ...verb.flags };
  const { values, positionals } = parse(verb, words, flags);
  const invocation = invocationOf(values, positionals);
  if (!invocation.has('help')) checkArity(verb, positionals);
  return invocation;
}

function invocationOf(values: Values, positionals: string[]): Invocation {
  const list = (flag: string) => [values[flag] ?? []].flat().map(String);
  return {
    positionals,
    text: (flag) => list(flag).at(-1),
    texts: list,
    has: (flag) => values[flag] === true,
    output: createOutput(values.json === true),
  };
}

function parse(verb: Verb, words: readonly string[], flags: Readonly<Record<string, Flag>>) {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, short, multiple = false }]) => [
      name,
      short === undefined ? { type, multiple } : { type, short, multiple },
    ]),
  );
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw usageError(`${flagProblem(error as Error, flags)} ${form(verb)}`);
  }
}

function flagProblem(error: Error, flags: Readonly<Record<string, Flag>>): string {
  const code = (error as NodeJS.ErrnoException).code;
  const flag = /'(?:-\w, )?(-{1,2}[\w-]+)/.exec(error.message)?.[1] ?? '';
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return valueProblem(flags, flag);
  const known = Object.keys(flags).map((name) => `--${name}`);
  return `unknown option ${flag}${didYouMean(flag, known) || '.'}`;
}

function valueProblem(flags: Readonly<Record<string, Flag>>, flag: string): string {
  const { type, value = 'VALUE' } = flags[flag.slice(2)] ?? {};
  if (type === 'boolean') return `${flag} takes no value.`;
  return `${flag} lacks its ${value} (one that begins with "-" is written ${flag}=...).`;
}

function checkArity(verb: Verb, positionals: readonly string[]): void {
  const [least, most] = verb.arity;
  if (positionals.length < least) throw usageError(`something is missing. ${form(verb)}`);
  if (positionals.length > most) {
    throw usageError(`"${positionals[most]}" is one word too many. ${form(verb)}`);
  }
}

export function form(verb: Verb): string {
  return `Usage: coral-reef ${verb.name} ${verb.usage}`.trimEnd();
}

/** argv in, exit code out. */
import { parseInvocation } from './cli/arguments.js';
import { createOutput } from './cli/output.js';
import { VERB_NAMES, loadVerb } from './cli/verbs.js';
import { verbAndWords } from './cli/words.js';
import { CoralError, ExitCode, usageError } from './config/errors.js';
import { didYouMean } from './config/suggest.js';

process.exitCode = await main(process.argv[1], process.argv.slice(2));

async function main(program: string, args: readonly string[]): Promise<ExitCode> {
  try {
    return await run(program, args);
  } catch (error) {
    return report(error, args);
  }
}

async function run(program: string, args: readonly string[]): Promise<ExitCode> {
  const { verb: name, words } = verbAndWords(program, args);
  const verb = await loadVerb(name);
  if (verb === undefined) {
    const hint = didYouMean(name, VERB_NAMES) || '.';
    throw usageError(`there is no verb "${name}"${hint} The verbs are listed by: coral-reef help`);
  }
  const invocation = parseInvocation(verb, words);
  if (!invocation.has('help')) return verb.run(invocation);
  const { verbHelp } = await import('./cli/help.js');
  const help = await verbHelp(verb);
  invocation.output.result({ help }, (document) => document.help);
  return ExitCode.done;
}

function report(error: unknown, args: readonly string[]): ExitCode {
  const known = error instanceof CoralError;
  const exitCode = known ? error.exitCode : ExitCode.failed;
  const message = error instanceof Error ? error.message : String(error);
  const output = createOutput(args.includes('--json'));
  output.say(`coral-reef: ${message}`);
  if (args.includes('--debug') || process.env['CORAL_REEF_DEBUG']) sayStack(error);
  if (output.json) output.result({ error: { message, exitCode } }, () => []);
  return exitCode;
}

function sayStack(error: unknown): void {
  if (!(error instanceof Error)) return;
  process.stderr.write(`${error.stack ?? error.message}\n`);
  if (error.cause instanceof Error) sayStack(error.cause);
  else if (error.cause !== undefined) process.stderr.write(`${String(error.cause)}\n`);
}

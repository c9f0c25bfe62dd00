/** What most verbs do: find the mount, ask its daemon, put the answer out. */
import { CoralError, ExitCode } from '../config/errors.js';
import { ask } from '../daemon/client.js';
import { locateMount, locatePath, type Located, type Mounted } from './locate.js';
import type { Invocation } from './verb.js';

/** Asks the daemon of the mount that `typed` names (or the only one). */
export async function askMount<Answer>(
  typed: string | undefined,
  verb: string,
  args: Record<string, unknown> = {},
): Promise<Answer> {
  const mount = locateMount(typed);
  return (await ask(mount.volume, mount.mountpoint, verb, args)) as Answer;
}

export async function askPath<Answer>(
  located: Located,
  verb: string,
  args: Record<string, unknown> = {},
  onProgress?: (value: unknown) => void,
): Promise<Answer> {
  const all = { ...args, path: located.below, shown: located.path };
  return (await ask(located.volume, located.mountpoint, verb, all, onProgress)) as Answer;
}

export interface Failure {
  path: string;
  error: string;
  exitCode: ExitCode;
}

/**
 * Runs `each` for every path. One path: its document, its error thrown. Several: a document or a failure
 * for each, in order; the worst exit code is returned.
 */
export async function forPaths<Document extends object>(
  invocation: Invocation,
  each: (located: Located) => Promise<Document>,
  lines: (documents: readonly Document[]) => readonly string[],
): Promise<ExitCode> {
  const { positionals, output } = invocation;
  if (positionals.length === 1) {
    const document = await each(locatePath(positionals[0]));
    output.endProgress();
    output.result(document, (only) => lines([only]));
    return ExitCode.done;
  }
  const results: (Document | Failure)[] = [];
  for (const typed of positionals) results.push(await attempt(typed, each));
  output.endProgress();
  const failures = results.filter(isFailure);
  output.result(results, () => lines(results.filter((one): one is Document => !isFailure(one))));
  for (const failure of failures) output.say(`coral-reef: ${failure.error}`);
  return failures.reduce<ExitCode>(
    (worst, one) => (worst > one.exitCode ? worst : one.exitCode),
    0,
  );
}

async function attempt<Document>(
  typed: string,
  each: (located: Located) => Promise<Document>,
): Promise<Document | Failure> {
  try {
    return await each(locatePath(typed));
  } catch (error) {
    if (!(error instanceof CoralError)) throw error;
    return { path: typed, error: error.message, exitCode: error.exitCode };
  }
}

function isFailure(result: object): result is Failure {
  return 'error' in result && 'exitCode' in result;
}

export type { Located, Mounted };

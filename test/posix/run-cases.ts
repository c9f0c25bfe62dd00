/** Runs cases in a directory, each in a fresh one of its own. */
import { closeSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { umask } from './system/attributes.js';
import type { Case, Env, Family } from './cases.js';

export interface Outcome {
  /** `family: case` */
  name: string;
  /** Why it failed, or null. */
  error: string | null;
}

export const fullName = (family: Family, { name }: Case): string => `${family.name}: ${name}`;

/** One after the other: cases act as other users, which is a property of the thread. */
export async function runCases(
  family: Family,
  accepts: (one: Case) => boolean,
  directory: string,
  env: Env,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  umask(0o022);
  for (const [index, one] of family.cases.entries()) {
    if (!accepts(one)) continue;
    const fresh = join(directory, `${family.name}-${index}`);
    const error = await failureOf(one, fresh, env);
    outcomes.push({ name: fullName(family, one), error });
  }
  return outcomes;
}

async function failureOf(one: Case, fresh: string, env: Env): Promise<string | null> {
  try {
    mkdirSync(fresh, { mode: 0o755 });
    await one.run(fresh, env);
    return null;
  } catch (error) {
    closeWhatIsOpen(fresh);
    return describe(error as Error);
  }
}

/** What a case that failed left open would keep the next ones from a remount. */
function closeWhatIsOpen(directory: string): void {
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory)) closeSync(Number(fd));
    } catch {
      // The one that the listing itself used.
    }
  }
}

/** The message and the first line of ours, which is where the case stood. */
function describe(error: Error): string {
  const lines = error.stack?.split('\n') ?? [];
  const place = lines.find((line) => /dist\/test\/posix\/(?!system|cases)/.test(line)) ?? '';
  return `${error.message.trim()}\n    ${place.trim()}`;
}

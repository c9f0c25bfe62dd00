/**
 * The forms in which the program is called, brought to one: a verb and its words.
 *
 * - `coral-reef VERB ...`
 * - `coral-reef VOLUME MOUNTPOINT -o ...`, by the mount helper of fuse3
 * - `mount.coral-reef VOLUME MOUNTPOINT [-sfnv] [-N ns] [-t type] [-o ...]`, by mount(8)
 */
import { basename } from 'node:path';
import { usageError } from '../config/errors.js';

export const HELPER_NAME = 'mount.coral-reef';

export interface Words {
  verb: string;
  words: string[];
}

/** `program` is how this program was called, a path. */
export function verbAndWords(program: string, args: readonly string[]): Words {
  if (basename(program) === HELPER_NAME) return { verb: 'mount', words: helperWords(args) };
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h')
    return { verb: 'help', words: [] };
  if (first === '--version' || first === '-V') return { verb: 'version', words: rest };
  if (first.startsWith('-')) {
    throw usageError(`${first}: the verb comes first, as in: coral-reef VERB ${first} ...`);
  }
  if (first.startsWith('/')) return { verb: 'mount', words: [...args] };
  return { verb: first, words: rest };
}

/** mount(8), "EXTERNAL HELPERS". */
function helperWords(args: readonly string[]): string[] {
  const words: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at];
    if (!/^-[A-Za-z]+/.test(arg)) words.push(arg);
    else if (arg.startsWith('-o'))
      words.push('-o', arg.length > 2 ? arg.slice(2) : args[(at += 1)]);
    else if (arg.startsWith('-t')) at += arg.length > 2 ? 0 : 1;
    else if (arg.startsWith('-N'))
      throw usageError(`${HELPER_NAME}: -N (namespace) is not supported`);
    else words.push(...letterWords(arg));
  }
  return words;
}

/** -s sloppy, -f fake, -n no mtab, -v verbose, -r and -w as in mount(8). */
function letterWords(arg: string): string[] {
  return [...arg.slice(1)].flatMap((letter) => {
    if (letter === 'f') return ['--fake'];
    if (letter === 'r') return ['-o', 'ro'];
    if (letter === 'w') return ['-o', 'rw'];
    if ('snv'.includes(letter)) return [];
    throw usageError(`${HELPER_NAME}: unknown option -${letter}. Allowed: -s -f -n -v -r -w -t -o`);
  });
}

/** What a verb of the command line is made of; each file of this folder that is named after one has one. */
import type { ExitCode } from '../config/errors.js';
import type { Output } from './output.js';

export interface Flag {
  type: 'boolean' | 'string';
  short?: string;
  multiple?: boolean;
  /** What the help shows after the name, for strings. */
  value?: string;
  help: string;
}

export interface Invocation {
  positionals: string[];
  /** Values of flags by long name. */
  text(flag: string): string | undefined;
  texts(flag: string): string[];
  has(flag: string): boolean;
  output: Output;
}

export interface Verb {
  name: string;
  /** After the verb's name: `PATH... [--to TIER]`. */
  usage: string;
  summary: string;
  /** Lines of the long help, after the usage. */
  details?: readonly string[] | (() => Promise<readonly string[]>);
  flags: Readonly<Record<string, Flag>>;
  /** Least and most positionals. */
  arity: readonly [number, number];
  run(invocation: Invocation): Promise<ExitCode>;
}

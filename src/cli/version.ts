/** `version`: which one this is. */
import { ExitCode } from '../config/errors.js';
import { VERSION } from '../config/version.js';
import type { Verb } from './verb.js';

export const versionVerb: Verb = {
  name: 'version',
  usage: '',
  summary: 'the version of this program',
  flags: {},
  arity: [0, 0],
  async run({ output }) {
    output.result({ version: VERSION }, ({ version }) => [`coral-reef ${version}`]);
    return ExitCode.done;
  },
};

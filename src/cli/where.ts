/** `where`: tier, form, class, heat and stored bytes of files and directories. */
import { formatSize } from '../config/units.js';
import type { WhereDocument } from '../daemon/documents.js';
import { table } from './output.js';
import { askPath, forPaths } from './requests.js';
import type { Verb } from './verb.js';

const HEADER = ['TIER', 'FORM', 'CLASS', 'TEMP', 'HEAT', 'SIZE', 'STORED', 'SHARED', 'PIN', 'PATH'];
const RIGHT = ['HEAT', 'SIZE', 'STORED', 'SHARED'];

export const whereVerb: Verb = {
  name: 'where',
  usage: 'PATH...',
  summary: 'tier, form, class, temperature, heat, pinned, bytes stored',
  details: [
    'STORED is what the file takes on disk; SHARED is the part of it that other files use too.',
    'With --json one path gives an object, several give a list of them.',
  ],
  flags: {},
  arity: [1, Infinity],
  run: (invocation) =>
    forPaths(
      invocation,
      (located) => askPath<WhereDocument>(located, 'where'),
      (documents) => (documents.length === 0 ? [] : table(HEADER, documents.map(row), RIGHT)),
    ),
};

function row(file: WhereDocument): (string | null)[] {
  return [
    file.tier,
    file.form ?? file.type,
    file.class,
    file.temperature,
    file.heat?.toFixed(2) ?? null,
    formatSize(file.size),
    formatSize(file.storedBytes),
    formatSize(file.sharedBytes),
    file.pinned,
    file.path,
  ];
}

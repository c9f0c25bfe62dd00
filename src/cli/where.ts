/** `where`: tier, form, class, heat and stored bytes of files and directories. */
import { formatSize } from '../config/units.js';
import type { DirectoryDocument, WhereDocument } from '../daemon/documents.js';
import { table, type Cell } from './output.js';
import { askPath, forPaths } from './requests.js';
import type { Verb } from './verb.js';

/** FILES only where there are directories. */
const NUMBERS = ['HEAT', 'FILES', 'SIZE', 'STORED', 'SHARED'];
const HEADER = ['TIER', 'FORM', 'CLASS', 'TEMP', ...NUMBERS, 'PIN', 'PATH'];
const PARTS_RIGHT = ['FILES', 'SIZE', 'PLAIN', 'PACKED'];

type Answer = WhereDocument | DirectoryDocument;

export const whereVerb: Verb = {
  name: 'where',
  usage: 'PATH...',
  summary: 'tier, form, class, temperature, heat, pinned, bytes stored',
  details: [
    'STORED is what the file takes on disk; SHARED is the part of it that other files use too.',
    'A directory stands for the files below it. What several of them have in common counts once, if they are packed,',
    'and is SHARED only with files elsewhere. Blocks that plain files share are SHARED wherever the others are.',
    'With --json one path gives an object, several give a list of them.',
  ],
  flags: {},
  arity: [1, Infinity],
  run: (invocation) =>
    forPaths(invocation, (located) => askPath<Answer>(located, 'where'), whereLines),
};

export function whereLines(documents: readonly Answer[]): string[] {
  if (documents.length === 0) return [];
  const directories = documents.filter(isDirectory);
  const isKept = (_: unknown, column: number) =>
    directories.length > 0 || HEADER[column] !== 'FILES';
  const rows = documents.map((document) => row(document).filter(isKept));
  return [...table(HEADER.filter(isKept), rows, NUMBERS), ...directories.flatMap(partLines)];
}

function isDirectory(document: Answer): document is DirectoryDocument {
  return 'tiers' in document;
}

function row(file: Answer): Cell[] {
  const { tier, form, temperature, type } = file;
  const mixed = isDirectory(file) && file.files > 0 ? 'mixed' : null;
  const mixedData = isDirectory(file) && file.tiers.length > 0 ? 'mixed' : null;
  return [
    tier ?? mixedData,
    form ?? mixedData ?? type,
    file.class ?? mixed,
    temperature ?? mixed,
    file.heat?.toFixed(2) ?? null,
    isDirectory(file) ? file.files : null,
    formatSize(file.size),
    formatSize(file.storedBytes),
    formatSize(file.sharedBytes),
    file.pinned,
    file.path,
  ];
}

/** Where not all of it is in one place and form. */
function partLines({ path, tiers }: DirectoryDocument): string[] {
  const [first, ...others] = tiers;
  const inBothForms = first && first.plainBytes > 0 && first.packedBytes > 0;
  if (others.length === 0 && !inBothForms) return [];
  const rows = tiers.map((tier) => [
    tier.name,
    tier.files,
    formatSize(tier.size),
    formatSize(tier.plainBytes),
    formatSize(tier.packedBytes),
  ]);
  return ['', `${path}, by tier:`, ...table(['TIER', ...PARTS_RIGHT], rows, PARTS_RIGHT)];
}

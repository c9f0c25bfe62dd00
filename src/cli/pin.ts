/** `pin` and `unpin`: say where a file, or all that is below a directory, has to stay. */
import type { PinDocument } from '../daemon/documents.js';
import { askPath, forPaths } from './requests.js';
import type { Verb } from './verb.js';

export const pinVerb: Verb = {
  name: 'pin',
  usage: 'PATH... [--to TIER]',
  summary: 'keep on a tier; a directory pins what is and will be below it',
  details: ['Without --to a file stays on the tier it is on, a directory on the fastest.'],
  flags: { to: { type: 'string', value: 'TIER', help: 'the tier to stay on' } },
  arity: [1, Infinity],
  run: (invocation) =>
    forPaths(
      invocation,
      (located) => askPath<PinDocument>(located, 'pin', { to: invocation.text('to') ?? null }),
      (documents) => documents.map(({ path, pinned }) => `${path}: pinned to ${pinned}`),
    ),
};

export const unpinVerb: Verb = {
  name: 'unpin',
  usage: 'PATH...',
  summary: 'let the rules decide again',
  flags: {},
  arity: [1, Infinity],
  run: (invocation) =>
    forPaths(
      invocation,
      (located) => askPath<PinDocument>(located, 'unpin'),
      (documents) => documents.map(unpinned),
    ),
};

function unpinned({ path, before, pinned }: PinDocument): string {
  const what = before === null ? 'it had no pin of its own' : `unpinned from ${before}`;
  const above = pinned === null ? '' : `, but a directory above pins it to ${pinned}`;
  return `${path}: ${what}${above}`;
}

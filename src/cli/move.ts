/** `promote` and `demote`: ask for moves, and with `--wait` watch them end. */
import { formatSize } from '../config/units.js';
import type { MoveDocument, MoveProgress } from '../daemon/documents.js';
import type { Output } from './output.js';
import { askPath, forPaths } from './requests.js';
import type { Invocation, Verb } from './verb.js';

export const promoteVerb = moveVerb('promote', 'bring files up to a faster tier, plain');
export const demoteVerb = moveVerb('demote', 'send files down to a slower tier, packed');

function moveVerb(kind: 'promote' | 'demote', summary: string): Verb {
  return {
    name: kind,
    usage: 'PATH... [--to TIER] [--wait]',
    summary,
    details: [
      'A directory stands for the files below it. Without --to the rules say which tier.',
      'What is pinned to another tier stays.',
      'Without --wait the moves are queued and go on in the background.',
      'With --wait a line says what they wait for: a pause, or a file that a program has open.',
    ],
    flags: {
      to: { type: 'string', value: 'TIER', help: 'the tier to move to' },
      wait: { type: 'boolean', help: 'return when it is done, with a progress bar on a terminal' },
    },
    arity: [1, Infinity],
    run: (invocation) => run(kind, invocation),
  };
}

function run(kind: 'promote' | 'demote', invocation: Invocation) {
  const { output } = invocation;
  const wait = invocation.has('wait');
  const args = { to: invocation.text('to') ?? null, wait };
  const follow = follower(output);
  return forPaths(
    invocation,
    (located) =>
      askPath<MoveDocument>(located, kind, args, (value) => follow(value as MoveProgress)),
    (documents) => documents.map((document) => line(document, wait)),
  );
}

/** Draws the bar, and says once of each thing that it is waited for. */
export function follower(output: Output): (progress: MoveProgress) => void {
  const said = new Set<string>();
  return ({ done, total, finished, files, waits }) => {
    if (waits !== null && !said.has(waits.for) && !output.json) {
      said.add(waits.for);
      output.say(`coral-reef: ${waits.text}`);
    }
    const share = total === 0 ? finished / Math.max(1, files) : done / total;
    const amount = `${formatSize(done)} of ${formatSize(total)}`;
    output.progress(share, `${amount}, ${finished}/${files} files`);
  };
}

function line(document: MoveDocument, wait: boolean): string {
  const done = { promote: 'promoted', demote: 'demoted' }[document.kind];
  const what = `${document.files} file${document.files === 1 ? '' : 's'}`;
  const skipped = document.skipped > 0 ? `, ${document.skipped} had nothing to move` : '';
  const pinned = document.pinned > 0 ? `, ${document.pinned} stay pinned where they are` : '';
  const plain =
    document.tooLarge > 0 ? `; ${document.tooLarge} too large to be packed, so plain` : '';
  const tiers = [...new Set(document.jobs.map((job) => job.tier))].join(', ');
  const to = tiers === '' ? '' : ` to ${tiers}`;
  const state = wait ? done : `queued to ${document.kind}`;
  const rest = `${skipped}${pinned}${plain}`;
  return `${document.path}: ${what} (${formatSize(document.bytes)}) ${state}${to}${rest}`;
}

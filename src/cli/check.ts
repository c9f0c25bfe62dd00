/** `fsck` and `scrub`: is the namespace whole, and is every stored byte still what was written. */
import { resolve } from 'node:path';
import { ExitCode } from '../config/errors.js';
import { ask } from '../daemon/client.js';
import type { CheckDocument } from '../daemon/documents.js';
import { locateMount, mountFor } from './locate.js';
import type { Output } from './output.js';
import type { Invocation, Verb } from './verb.js';

export const fsckVerb: Verb = {
  name: 'fsck',
  usage: '[VOLUME|MOUNTPOINT] [--deep] [-o OPTION,...]',
  summary: 'check that namespace, tiers and content store agree',
  details: [
    'A volume that is not mounted is checked directly. Exit code 1 where something is wrong.',
  ],
  flags: {
    deep: { type: 'boolean', help: 'read all packed data as well, like scrub' },
    options: {
      type: 'string',
      short: 'o',
      multiple: true,
      value: 'OPTION,...',
      help: 'mount options for a volume that is not mounted (tier.NAME=DIR ...)',
    },
  },
  arity: [0, 1],
  async run(invocation) {
    const document = await check(invocation);
    invocation.output.endProgress();
    invocation.output.result(document, () => lines('fsck', document));
    return exitCodeOf(document);
  },
};

export const scrubVerb: Verb = {
  name: 'scrub',
  usage: '[MOUNTPOINT]',
  summary: 'read all that has a checksum: packs, and plain copies of packed files',
  details: [
    'Exit code 1 where damage was found that could not be healed, or a tier is not there to be read.',
  ],
  flags: {},
  arity: [0, 1],
  async run({ positionals, output }) {
    const { volume, mountpoint } = locateMount(positionals[0]);
    const answer = await ask(volume, mountpoint, 'scrub', {}, showProgress(output));
    const document = answer as CheckDocument;
    output.endProgress();
    output.result(document, () => lines('scrub', document));
    return exitCodeOf(document);
  },
};

const WORDS: Readonly<Record<string, string>> = {
  backingFiles: 'backing files',
  copies: 'hot copies',
};

async function check(invocation: Invocation): Promise<CheckDocument> {
  const place = invocation.positionals[0];
  const deep = invocation.has('deep');
  const mount = mountFor(place);
  if (mount !== undefined) {
    const progress = showProgress(invocation.output);
    return (await ask(mount.volume, mount.mountpoint, 'fsck', { deep }, progress)) as CheckDocument;
  }
  const { checkOffline } = await import('../daemon/offline.js');
  return checkOffline(resolve(place), invocation.texts('options'), deep);
}

function showProgress(output: Output): (value: unknown) => void {
  return (value) => {
    const { done, total } = value as { done: number; total: number };
    output.progress(total === 0 ? 0 : done / total, `${done} of ${total}`);
  };
}

function exitCodeOf({ problems }: CheckDocument): ExitCode {
  return problems.length === 0 ? ExitCode.done : ExitCode.failed;
}

function lines(verb: string, { problems, checked, healed }: CheckDocument): string[] {
  const counts = Object.entries(checked)
    .map(([what, count]) => `${count} ${WORDS[what] ?? what}`)
    .join(', ');
  const mended = healed === 0 ? '' : `; damaged chunks and copies that were healed: ${healed}`;
  if (problems.length === 0) return [`${verb}: nothing is wrong (${counts})${mended}`];
  return [
    ...problems.map(({ subject, detail, repair }) => {
      const named = detail.startsWith(`${subject}: `);
      return `${named ? detail : `${subject}: ${detail}`}; ${repair}`;
    }),
    `${verb}: ${problems.length} problem${problems.length === 1 ? '' : 's'} (${counts})${mended}`,
  ];
}

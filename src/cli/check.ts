/** `fsck`: is the namespace whole, and does everything that it refers to exist. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ExitCode } from '../config/errors.js';
import { ask } from '../daemon/client.js';
import type { CheckDocument } from '../daemon/documents.js';
import { locateMount, type Mounted } from './locate.js';
import type { Output } from './output.js';
import type { Invocation, Verb } from './verb.js';

export const fsckVerb: Verb = {
  name: 'fsck',
  usage: '[VOLUME|MOUNTPOINT] [-o OPTION,...]',
  summary: 'check that namespace, tiers and content store agree',
  details: [
    'A volume that is not mounted is checked directly. Exit code 1 where something is wrong.',
  ],
  flags: {
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
    const { output } = invocation;
    const document = await check(invocation);
    output.endProgress();
    output.result(document, checkLines('fsck'));
    return document.problems.length === 0 ? ExitCode.done : ExitCode.failed;
  },
};

async function check(invocation: Invocation): Promise<CheckDocument> {
  const place = invocation.positionals[0];
  const progress = checkProgress(invocation.output);
  const mount = await mountFor(place);
  if (mount !== undefined) {
    return (await ask(mount.volume, mount.mountpoint, 'fsck', {}, progress)) as CheckDocument;
  }
  const { checkOffline } = await import('../daemon/offline.js');
  return checkOffline(resolve(place), invocation.texts('options'));
}

/** Undefined for the directory of a volume that is not mounted. */
async function mountFor(place: string | undefined): Promise<Mounted | undefined> {
  if (place === undefined || !existsSync(join(place, 'volume.json'))) return locateMount(place);
  const { volumeDirectory } = await import('../daemon/preflight.js');
  const { bytesOf, isCoralReef, readMounts, shown } = await import('../config/mountinfo.js');
  const volume = volumeDirectory(place);
  const entry = readMounts().find((one) => isCoralReef(one) && one.source === bytesOf(volume));
  return entry && { volume, mountpoint: shown(entry.mountpoint) };
}

export function checkProgress(output: Output): (value: unknown) => void {
  return (value) => {
    const { done, total } = value as { done: number; total: number };
    output.progress(total === 0 ? 0 : done / total, `${done} of ${total}`);
  };
}

export function checkLines(verb: string): (document: CheckDocument) => string[] {
  return ({ problems, checked }) => {
    const counts = Object.entries(checked).map(([what, count]) => `${count} ${what}`);
    const summary = counts.length === 0 ? '' : ` (${counts.join(', ')})`;
    if (problems.length === 0) return [`${verb}: nothing is wrong${summary}`];
    const lines = problems.map(
      ({ what, subject, detail, repair }) => `${what}: ${subject}: ${detail}; ${repair}`,
    );
    return [...lines, `${verb}: ${problems.length} problems${summary}`];
  };
}

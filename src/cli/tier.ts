/** `tier`: the disks of a volume: which they are; add one, change what is recorded of one, empty one, take it out. */
import { ExitCode, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { formatSize } from '../config/units.js';
import { ask } from '../daemon/client.js';
import type {
  DrainDocument,
  MoveProgress,
  StatusDocument,
  TierListDocument,
  TiersChangedDocument,
} from '../daemon/documents.js';
import type { TierChange } from '../tiers/tier-changes.js';
import type { TierConfig } from '../tiers/types.js';
import { readVolume } from '../tiers/volume.js';
import { mountFor, namedMount, type Mounted } from './locate.js';
import { follower } from './move.js';
import { table } from './output.js';
import { askMount } from './requests.js';
import { capacityText, parseCapacity, parseMedium, parseTier, TIER_FORM } from './tier-words.js';
import type { Flag, Invocation, Verb } from './verb.js';

const FLAGS: Readonly<Record<string, Flag>> = {
  before: { type: 'string', value: 'TIER', help: 'add: as the next faster one' },
  after: { type: 'string', value: 'TIER', help: 'add: as the next slower one' },
  capacity: { type: 'string', value: 'SIZE|none', help: 'set: how much of it is used; none: all' },
  to: { type: 'string', value: 'TIER', help: 'drain: where all that is on it goes' },
  path: { type: 'string', value: 'DIR', help: 'set: where it is now, with all that it had' },
  medium: { type: 'string', value: 'nvme|ssd|hdd', help: 'set: what kind of disk it is' },
  name: { type: 'string', value: 'NEW', help: 'set: what it is called from now on' },
  lost: { type: 'boolean', help: 'remove: its disk is gone for good, and what was only there' },
};

interface Action {
  form: string;
  flags: readonly string[];
  /** Least and most words after the action. */
  words: readonly [number, number];
  run(words: string[], invocation: Invocation): Promise<ExitCode>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  list: { form: '[VOLUME|MOUNTPOINT]', flags: [], words: [0, 1], run: list },
  add: {
    form: `VOLUME ${TIER_FORM} [--before TIER | --after TIER]`,
    flags: ['before', 'after'],
    words: [2, 2],
    run: add,
  },
  set: {
    form: 'VOLUME NAME [--capacity SIZE|none] [--path DIR] [--medium nvme|ssd|hdd] [--name NEW]',
    flags: ['capacity', 'path', 'medium', 'name'],
    words: [2, 2],
    run: set,
  },
  drain: { form: 'MOUNTPOINT NAME --to TIER', flags: ['to'], words: [2, 2], run: drain },
  remove: { form: 'VOLUME NAME [--lost]', flags: ['lost'], words: [2, 2], run: remove },
};

export const tierVerb: Verb = {
  name: 'tier',
  usage: 'list|add|set|drain|remove ...',
  summary: 'the disks of a volume: list them, add, change, empty or remove one',
  details: [
    ...Object.entries(ACTIONS).map(([name, { form }]) => `  coral-reef tier ${name} ${form}`),
    '',
    'add, set and remove change a volume that is not mounted. A new tier stands after the last one whose medium is as fast or',
    'faster; new files go to the first tier. --path is for a disk that is mounted elsewhere now, or was copied to another',
    'one as a whole (rsync -aSX). Options, rules and fstab lines that name a tier are not changed by --name; pins are.',
    'drain empties a tier of a mounted volume, to a faster or slower one, and goes on though the command is ended; the',
    'tier takes nothing new until the volume is unmounted. remove takes out a tier that is empty, or says what is on it.',
    'With --lost it takes out one whose disk is gone for good: it lists the files that are lost with it in VOLUME/lost-*.txt.',
    'They keep their names and give I/O errors until they are restored or deleted; all others are as before.',
  ],
  flags: FLAGS,
  arity: [1, Infinity],
  async run(invocation) {
    const [name, ...words] = invocation.positionals;
    if (!Object.hasOwn(ACTIONS, name)) {
      const names = Object.keys(ACTIONS);
      const hint = didYouMean(name, names) || '.';
      throw usageError(`tier: "${name}" is not allowed${hint} Allowed: ${names.join(', ')}`);
    }
    checkForm(name, words, invocation);
    return ACTIONS[name].run(words, invocation);
  },
};

function checkForm(name: string, words: readonly string[], { text, has }: Invocation): void {
  const { form, flags, words: bounds } = ACTIONS[name];
  const usage = `Usage: coral-reef tier ${name} ${form}`;
  const foreign = Object.keys(FLAGS).find(
    (flag) => (text(flag) !== undefined || has(flag)) && !flags.includes(flag),
  );
  if (foreign !== undefined) throw usageError(`tier ${name} has no --${foreign}. ${usage}`);
  if (words.length < bounds[0]) throw usageError(`something is missing. ${usage}`);
  if (words.length <= bounds[1]) return;
  throw usageError(`"${words[bounds[1]]}" is one word too many. ${usage}`);
}

async function list([place]: string[], { output }: Invocation): Promise<ExitCode> {
  const mount = mountFor(place);
  const { tiersOf } = await import('../daemon/volume-tiers.js');
  const document = mount === undefined ? await tiersOf(place) : await mountedTiers(mount);
  output.result(document, ({ tiers }) => {
    const rows = tiers.map((tier) => [tier.id, ...rowOf(tier), tier.state, tier.path]);
    return table(['ID', ...COLUMNS, 'STATE', 'PATH'], rows, ['ID', 'CAPACITY']);
  });
  for (const { problem } of document.tiers)
    if (problem !== null) output.say(`coral-reef: ${problem}`);
  return ExitCode.done;
}

/** Where they are and how they do, the daemon knows. */
async function mountedTiers({ volume, mountpoint }: Mounted): Promise<TierListDocument> {
  const status = await askMount<StatusDocument>(mountpoint, 'status');
  const { tiers } = await readVolume(volume);
  const listed = tiers.flatMap((tier) => {
    const now = status.tiers.find(({ name }) => name === tier.name);
    if (now === undefined) return [];
    const state = now.state as TierListDocument['tiers'][number]['state'];
    return { ...tier, path: now.path, state, problem: now.problem };
  });
  return { volume, mountpoint, tiers: listed };
}

async function add([volume, word]: string[], { text, output }: Invocation): Promise<ExitCode> {
  const [before, after] = [text('before'), text('after')];
  if (before !== undefined && after !== undefined) {
    throw usageError('tier add: --before and --after say two places. Give one of them');
  }
  const tier = parseTier(word, `tier add ${word}`);
  const { addTierTo } = await import('../daemon/volume-tiers.js');
  tell(await addTierTo(volume, tier, { before, after }), `Added tier ${tier.name} to`, output);
  return ExitCode.done;
}

async function set([volume, name]: string[], invocation: Invocation): Promise<ExitCode> {
  const change = changeOf(invocation);
  if (Object.keys(change).length === 0) {
    throw usageError(`tier set: nothing to change. Usage: coral-reef tier set ${ACTIONS.set.form}`);
  }
  const { changeTierOf } = await import('../daemon/volume-tiers.js');
  const document = await changeTierOf(volume, name, change);
  tell(document, `Changed tier ${name} of`, invocation.output);
  return ExitCode.done;
}

async function drain([mountpoint, tier]: string[], invocation: Invocation): Promise<ExitCode> {
  const { text, output } = invocation;
  const { volume, mountpoint: at } = namedMount(mountpoint);
  const follow = follower(output);
  const args = { tier, to: text('to') ?? null };
  const answer = await ask(volume, at, 'drain', args, (value) => follow(value as MoveProgress));
  output.endProgress();
  output.result(answer as DrainDocument, ({ to, files, bytes, packedBytes }) => [
    `Emptied tier ${tier}: ${files} file${files === 1 ? '' : 's'}, ${formatSize(bytes)} plain and ${formatSize(packedBytes)} packed, went to ${to}`,
    `Take it out: coral-reef unmount ${at} && coral-reef tier remove ${volume} ${tier}`,
  ]);
  return ExitCode.done;
}

async function remove([volume, name]: string[], invocation: Invocation): Promise<ExitCode> {
  const { has, output } = invocation;
  if (has('lost')) return removeLost(volume, name, output);
  const { removeTierFrom } = await import('../daemon/volume-tiers.js');
  tell(await removeTierFrom(volume, name), `Took tier ${name} out of`, output);
  return ExitCode.done;
}

async function removeLost(
  volume: string,
  name: string,
  output: Invocation['output'],
): Promise<ExitCode> {
  const { removeLostTierFrom } = await import('../daemon/volume-tiers.js');
  const { lossText } = await import('../daemon/lost-tier.js');
  const document = await removeLostTierFrom(volume, name, (lost) => {
    const where = lost.list === null ? '' : `: ${lost.list}`;
    output.say(`coral-reef: lost with tier ${name}: ${lossText(lost)}${where}`);
    if (lost.pins > 0) output.say(`coral-reef: pins to it that are gone: ${lost.pins}`);
  });
  tell(document, `Took tier ${name} out of`, output);
  return ExitCode.done;
}

function changeOf({ text }: Invocation): TierChange {
  const change: TierChange = {};
  const [name, path] = [text('name'), text('path')];
  const [medium, capacity] = [text('medium'), text('capacity')];
  if (name !== undefined) change.name = name;
  if (path === '') throw usageError('tier set: --path "" is no directory. Name one');
  if (path !== undefined) change.path = path;
  if (medium !== undefined) change.medium = parseMedium(medium, 'tier set');
  if (capacity === 'none') change.capacity = null;
  else if (capacity !== undefined) {
    change.capacity = parseCapacity(capacity, 'tier set', ', or none for the whole filesystem');
  }
  return change;
}

function tell(document: TiersChangedDocument, what: string, output: Invocation['output']): void {
  output.result(document, ({ volume, tiers }) => [
    `${what} ${volume}`,
    ...table(
      [...COLUMNS, 'PATH'],
      tiers.map((tier) => [...rowOf(tier), tier.path]),
      ['CAPACITY'],
    ),
  ]);
  for (const warning of document.warnings) output.say(`coral-reef: ${warning}`);
}

const COLUMNS = ['TIER', 'MEDIUM', 'CAPACITY'];

function rowOf({ name, medium, capacity }: TierConfig): string[] {
  return [name, medium, capacityText(capacity)];
}

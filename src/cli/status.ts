/** `status`: tiers, fill, savings, queue and health of a mounted volume. */
import { ExitCode } from '../config/errors.js';
import { formatSize } from '../config/units.js';
import type { StatusDocument, TierDocument } from '../daemon/documents.js';
import { table } from './output.js';
import { askMount } from './requests.js';
import type { Verb } from './verb.js';

const RIGHT = ['CAPACITY', 'USED', 'FREE', 'FILL', 'PLAIN', 'PACKED'];
const HEADER = ['TIER', 'MEDIUM', ...RIGHT, 'STATE', 'PATH'];

export const statusVerb: Verb = {
  name: 'status',
  usage: '[MOUNTPOINT]',
  summary: 'tiers, fill, savings, queue, health',
  flags: {},
  arity: [0, 1],
  async run({ positionals, output }) {
    output.result(await askMount<StatusDocument>(positionals[0], 'status'), statusLines);
    return ExitCode.done;
  },
};

export function statusLines(status: StatusDocument): string[] {
  const { savings, migration } = status;
  const path = status.passthrough ? 'kernel passthrough' : 'the daemon (see: coral-reef doctor)';
  const rows: [string, string][] = [
    ['mount point', status.mountpoint],
    ['volume', `${status.volume} (daemon ${status.pid}, version ${status.version})`],
    ['health', [status.health, ...status.problems].join('; ')],
    ['policy', status.policy],
    ['plain files', `served by ${path}`],
    ['packed', savingsText(savings)],
    ['migration', migrationText(migration)],
    ['inodes', String(status.counts.inodes)],
  ];
  return [
    ...rows.map(([name, text]) => `${name.padEnd(12)} ${text}`),
    '',
    ...table(HEADER, status.tiers.map(tierRow), RIGHT),
  ];
}

function tierRow(tier: TierDocument): string[] {
  // As the watermarks count: what others have on the disk is no room of ours.
  const room = tier.used + tier.free;
  const fill = room === 0 ? 0 : (100 * tier.used) / room;
  return [
    tier.name,
    tier.medium,
    formatSize(tier.capacity),
    formatSize(tier.used),
    formatSize(tier.free),
    `${fill.toFixed(0)}%`,
    formatSize(tier.plainBytes),
    formatSize(tier.packedBytes),
    tier.state,
    tier.path,
  ];
}

function savingsText(savings: StatusDocument['savings']): string {
  const { logicalBytes, unnamedBytes, storedBytes, storedAgainBytes } = savings;
  const { zeroBytes, dedupBytes, compressionBytes } = savings;
  if (logicalBytes + unnamedBytes === 0) return 'nothing';
  const unnamed = ` and ${formatSize(unnamedBytes)} that are being packed or given back`;
  const zeros = `, ${formatSize(zeroBytes)} by holes and zeros`;
  const again = `; ${formatSize(storedAgainBytes)} stored again against fragmentation`;
  return (
    `${formatSize(logicalBytes)} of files${unnamedBytes > 0 ? unnamed : ''} in ` +
    `${formatSize(storedBytes)}; saved ` +
    `${formatSize(dedupBytes)} by deduplication, ${formatSize(compressionBytes)} by compression` +
    (zeroBytes > 0 ? zeros : '') +
    (storedAgainBytes > 0 ? again : '')
  );
}

export function migrationText(migration: StatusDocument['migration']): string {
  const { state, queued, running, completed, failed, bytesMoved, bytesShared } = migration;
  return (
    `${state}, ${queued} queued, ${running.length} running; since start ${completed} done, ` +
    `${failed} failed, ${formatSize(bytesMoved)} moved, ${formatSize(bytesShared)} shared`
  );
}

/** Packs: the file of each is there at its length, and its live bytes are the sum of its chunks. */
import { stat } from 'node:fs/promises';
import { errnoOf } from '../content/errors.js';
import { sliceChunks } from '../content/chunk-index.js';
import { loadPacks } from '../content/packs.js';
import type { PackRecord } from '../content/records.js';
import { packFiles } from '../content/recovery.js';
import { giveWay } from '../content/turns.js';
import type { Store } from '../store/types.js';
import type { CheckDeps, Findings } from './report.js';

const SLICE = 2000;
const RESTORE = 'restore the files from a backup; fsck --deep names them';

export async function checkPacks(deps: CheckDeps, findings: Findings): Promise<void> {
  const live = await liveByPack(deps.store);
  for (const record of loadPacks(deps.store).values()) {
    findings.checked.packs++;
    checkLive(record, live.get(record.packId) ?? 0, findings);
    await checkPackFile(deps, record, findings);
  }
  await checkUnknownPacks(deps, findings);
}

async function liveByPack(store: Store): Promise<Map<number, number>> {
  const live = new Map<number, number>();
  let slice = sliceChunks(store, undefined, SLICE);
  while (slice.length > 0) {
    for (const { location } of slice) {
      live.set(location.packId, (live.get(location.packId) ?? 0) + location.stored);
    }
    await giveWay();
    slice = sliceChunks(store, slice[slice.length - 1].name, SLICE);
  }
  return live;
}

function checkLive({ packId, live }: PackRecord, sum: number, { report }: Findings): void {
  if (live === sum) return;
  const detail = `it counts ${live} live bytes; its chunks have ${sum}`;
  report({ what: 'live-bytes', subject: `pack ${packId}`, detail, repair: 'report this as a bug' });
}

async function checkPackFile(
  { tiers }: CheckDeps,
  { packId, tier: tierId, size, state }: PackRecord,
  { report }: Findings,
): Promise<void> {
  const tier = tiers.byId(tierId);
  if (!tier || tier.state === 'missing' || state === 'doomed') return;
  const path = tiers.packPath(tier, packId);
  const subject = `pack ${packId}`;
  try {
    const length = (await stat(path)).size;
    if (state === 'open' ? length >= size : length === size) return;
    const detail = `${path} has ${length} bytes, not ${size}`;
    report({ what: 'pack-length', subject, detail, repair: RESTORE });
  } catch (error) {
    const why =
      errnoOf(error) === 'ENOENT' ? 'does not exist' : `can't be read (${errnoOf(error)})`;
    report({ what: 'no-pack', subject, detail: `${path} ${why}`, repair: RESTORE });
  }
}

async function checkUnknownPacks({ store, tiers }: CheckDeps, { report }: Findings): Promise<void> {
  const known = loadPacks(store);
  for (const tier of tiers.tiers) {
    if (tier.state === 'missing') continue;
    for (const packId of await packFiles({ tiers }, tier)) {
      const record = known.get(packId);
      // One that was taken in and that files need by now is a pack like others.
      if (record?.tier === tier.id && (record.state !== 'adopted' || record.live > 0)) continue;
      report({
        what: 'unknown-pack',
        subject: `tier ${tier.name}`,
        detail: `${tiers.packPath(tier, packId)} was not written under this namespace`,
        repair: record
          ? 'it is kept; if no newer copy of the namespace is to be had: coral-reef gc --unknown'
          : 'it is kept; look where it comes from',
      });
    }
  }
}

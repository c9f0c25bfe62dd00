/** Valid packs of every kind, and what each of their records must give: what fuzzing starts from. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  float32,
  noise,
  packData,
  randomFrom,
  SMALL,
  text,
  upperHalves,
  USUAL,
  VOLUME_ID,
  weight,
  type Packing,
} from '../native/content-kit.js';
import type { PackedPlan } from '../../src/native.js';
import { chainOf, packSeed } from './pack-bytes.js';

export interface RecordFacts {
  stored: number;
  /** Decoded. */
  data: Buffer;
  sha256: Buffer;
  /** Where its chain begins; the record itself where it is in none. */
  chain: number;
}

export interface Subject {
  name: string;
  packId: number;
  volumeId: Buffer;
  seed: bigint;
  bytes: Buffer;
  plan: PackedPlan;
  /** The file that the plan reads. */
  data: Buffer;
  /** By offset. */
  records: Map<number, RecordFacts>;
}

const OTHER_VOLUME = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
/** Large enough to be looked into for numbers. */
const LARGER = { min: 2048, average: 4096, max: 8192 };
const CHAINED = { level: 6, chainBytes: 512 << 10, limits: LARGER };
/** Chunks of one length, stored as they are: packs of which each record has a twin in the other. */
const TWINS = { limits: { min: 512, average: 4096, max: 4096 }, cuts: cutsEach(512, 40) };

export async function makeSubjects(directory: string, seed: number): Promise<Subject[]> {
  const random = randomFrom(seed);
  const mixed = (length: number): Buffer =>
    Buffer.concat([text(length, random), Buffer.alloc(5_000), noise(length / 2, random)]);
  const weights = (): Buffer => float32(8_000, () => weight(random));
  const make = (name: string, data: Buffer, packing: Packing): Promise<Subject> =>
    makeSubject(directory, data, { limits: SMALL, seal: true, ...packing, name });
  return [
    await make('sealed', mixed(20_000), { level: 3, packId: 7 }),
    await make('open', mixed(12_000), { level: 3, seal: false, packId: 8 }),
    await make('as-is', noise(20_000, random), { packId: 9 }),
    await make('one-record', noise(300, random), { packId: 10 }),
    await make('no-record', Buffer.alloc(3_000), { packId: 11 }),
    await make('bf16-weights', upperHalves(weights()), { level: 3, limits: LARGER, packId: 15 }),
    await make('fp32-weights', weights(), { level: 1, limits: LARGER, packId: 16 }),
    await make('chained', mixed(20_000), { level: 3, chainBytes: 8192, packId: 17 }),
    await make('chained-open', mixed(30_000), { ...CHAINED, seal: false, packId: 18 }),
    await make('usual-chunks', mixed(400_000), { level: 1, limits: USUAL, packId: 12 }),
    await make('twin', noise(512 * 40, random), { ...TWINS, packId: 13 }),
    await make('other-twin', noise(512 * 40, random), { ...TWINS, packId: 14 }),
    await make('foreign-twin', noise(512 * 40, random), {
      ...TWINS,
      packId: 13,
      volumeId: OTHER_VOLUME,
    }),
  ];
}

function cutsEach(length: number, count: number): Float64Array {
  return Float64Array.from({ length: count - 1 }, (_, i) => (i + 1) * length);
}

async function makeSubject(
  directory: string,
  data: Buffer,
  packing: Packing & { name: string },
): Promise<Subject> {
  const { packPath, plan } = await packData(directory, data, packing);
  const { packId = 7, volumeId = VOLUME_ID, name } = packing;
  const bytes = readFileSync(packPath);
  const seed = packSeed(volumeId, packId);
  return { name, packId, volumeId, seed, bytes, plan, data, records: recordsOf(plan, data, bytes) };
}

function recordsOf(plan: PackedPlan, file: Buffer, pack: Buffer): Map<number, RecordFacts> {
  const records = new Map<number, RecordFacts>();
  let at = 0;
  for (let i = 0; i < plan.lengths.length; i++) {
    const data = file.subarray(at, at + plan.lengths[i]);
    at += data.length;
    if (plan.packs[i] < 0) continue;
    const sha256 = createHash('sha256').update(data).digest();
    const offset = plan.offsets[i];
    records.set(offset, { stored: plan.stored[i], data, sha256, chain: chainOf(pack, offset) });
  }
  return records;
}

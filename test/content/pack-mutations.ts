/** Damage to packs: what media and crashes do, and what an attacker does who can make checksums right again. */
import type { PackedPlan } from '../../src/native.js';
import { pickWeighted, type Chance, type Weighted } from '../random/randomness.js';
import type { Subject } from './fuzz-subjects.js';
import {
  ENTRY_FIELDS,
  FIRST_RECORD,
  FOOTER_FIELDS,
  HEADER_FIELDS,
  HEADERS,
  INDEX_ENTRY,
  RECORD_CODEC,
  RECORD_FIELDS,
  RECORD_HEADER,
  RECORD_LENGTHS,
  RECORD_MAGIC,
  sealFooter,
  sealHeader,
  sealIndex,
  sealPayload,
  sealRecord,
  tailOf,
} from './pack-bytes.js';
import { setField } from './boundaries.js';
import { hostileFrame, plainFrame } from './zstd-frames.js';

export interface Mutant {
  subject: Subject;
  bytes: Buffer;
  /** Records that hold something else, with right checksums: only their SHA-256 tells. */
  forged: Set<number>;
  /** What was done, for a failure's message. */
  said: string[];
}

type Mutation = (mutant: Mutant, chance: Chance, others: readonly Subject[]) => void;

export function mutate(subject: Subject, chance: Chance, others: readonly Subject[]): Mutant {
  const mutant: Mutant = {
    subject,
    bytes: Buffer.from(subject.bytes),
    forged: new Set(),
    said: [],
  };
  if (chance.oneIn(3)) unseal(mutant);
  for (let n = 1 + chance.skewed(4); n > 0; n--) {
    const mutation = pickWeighted(chance, MUTATIONS);
    mutant.said.push(mutation.name);
    mutation(mutant, chance, others);
  }
  return mutant;
}

/** As a crash before the end of sealing does. */
function unseal(mutant: Mutant): void {
  mutant.bytes = mutant.bytes.subarray(0, tailOf(mutant.bytes)?.index);
}

/** Mostly where structure is, else anywhere. */
function place({ bytes, subject }: Mutant, chance: Chance): number {
  const offsets = [...subject.records.keys(), 0, 4096, FIRST_RECORD];
  const near = chance.pick([...offsets, bytes.length - 64, tailOf(bytes)?.index ?? 0]);
  const at = chance.oneIn(2) ? near + chance.below(80) : chance.below(bytes.length + 1);
  return Math.max(0, Math.min(at, bytes.length));
}

function flipBits({ bytes }: Mutant, chance: Chance): void {
  if (bytes.length === 0) return;
  for (let n = 1 + chance.skewed(20); n > 0; n--) {
    bytes[chance.below(bytes.length)] ^= 1 << chance.below(8);
  }
}

function overwriteRun(mutant: Mutant, chance: Chance): void {
  const at = place(mutant, chance);
  const run = chance.bytes.next(1 + chance.skewed(6_000));
  if (chance.oneIn(2)) run.fill(chance.pick([0, 1, 0x7f, 0x80, 0xff]));
  run.copy(mutant.bytes, at);
}

function truncate(mutant: Mutant, chance: Chance): void {
  mutant.bytes = mutant.bytes.subarray(0, place(mutant, chance));
}

function extend(mutant: Mutant, chance: Chance): void {
  const { bytes } = mutant;
  const from = place(mutant, chance);
  const ends = [
    Buffer.alloc(1 + chance.skewed(20_000)),
    chance.bytes.next(1 + chance.skewed(20_000)),
    bytes.subarray(from, from + chance.skewed(20_000)),
    Buffer.concat(Array.from({ length: 1 + chance.skewed(300) }, () => RECORD_MAGIC)),
  ];
  mutant.bytes = Buffer.concat([bytes, chance.pick(ends)]);
}

function removeRun(mutant: Mutant, chance: Chance): void {
  const at = place(mutant, chance);
  const end = at + 1 + chance.skewed(5_000);
  mutant.bytes = Buffer.concat([mutant.bytes.subarray(0, at), mutant.bytes.subarray(end)]);
}

/** Blocks of a medium, or records, in each other's place. */
function swapBlocks({ bytes, subject }: Mutant, chance: Chance): void {
  const [a, b, size] = twoBlocks(subject, bytes, chance);
  const first = Buffer.from(bytes.subarray(a, a + size));
  bytes.copy(bytes, a, b, b + size);
  first.copy(bytes, b);
}

function duplicateBlock({ bytes, subject }: Mutant, chance: Chance): void {
  const [a, b, size] = twoBlocks(subject, bytes, chance);
  bytes.copy(bytes, b, a, a + size);
}

/** Where two are, and how long: the first one's length where they are records. */
function twoBlocks(subject: Subject, bytes: Buffer, chance: Chance): [number, number, number] {
  const size = chance.pick([64, 512, 4096]);
  const block = (): number => size * chance.below(Math.floor(bytes.length / size) + 1);
  if (subject.records.size === 0 || chance.oneIn(2)) return [block(), block(), size];
  const records = [...subject.records];
  const [[a, { stored }], [b]] = [chance.pick(records), chance.pick(records)];
  return [Math.min(a, bytes.length), Math.min(b, bytes.length), stored];
}

/** A block of another pack where it was there, or its beginning or end. */
function splice(mutant: Mutant, chance: Chance, others: readonly Subject[]): void {
  const other = chance.pick(others).bytes;
  const at = chance.oneIn(3) ? chance.pick([4096, FIRST_RECORD]) : place(mutant, chance);
  const kind = chance.below(3);
  if (kind === 0) other.subarray(at, at + chance.pick([64, 512, 4096])).copy(mutant.bytes, at);
  if (kind === 1) mutant.bytes = Buffer.concat([mutant.bytes.subarray(0, at), other.subarray(at)]);
  if (kind === 2) mutant.bytes = Buffer.concat([other.subarray(0, at), mutant.bytes.subarray(at)]);
}

/** Another pack in this one's place. */
function misplace(mutant: Mutant, chance: Chance, others: readonly Subject[]): void {
  mutant.bytes = Buffer.from(chance.pick(others).bytes);
}

function headerField(mutant: Mutant, chance: Chance): void {
  if (mutant.bytes.length < FIRST_RECORD) return;
  const before = mutant.bytes.subarray(HEADERS[0], RECORD_HEADER);
  setField(mutant.bytes, HEADERS[0], HEADER_FIELDS, chance);
  sealHeader(mutant.bytes, HEADERS[0]);
  if (chance.oneIn(2)) before.copy(mutant.bytes, HEADERS[1]);
}

function recordField(mutant: Mutant, chance: Chance): void {
  const offset = chance.pick([FIRST_RECORD, ...mutant.subject.records.keys()]);
  if (offset + RECORD_HEADER > mutant.bytes.length) return;
  setField(mutant.bytes, offset, chance.oneIn(2) ? RECORD_LENGTHS : RECORD_FIELDS, chance);
  sealRecord(mutant.bytes, offset, mutant.subject.seed);
  // The payload may be that of another pack's record, with its checksum; and decodes to something else in another way.
  const { bytes, subject, forged } = mutant;
  const end = offset + (subject.records.get(offset)?.stored ?? RECORD_HEADER);
  const differs = (from: number, to: number): boolean =>
    !bytes.subarray(from, to).equals(subject.bytes.subarray(from, to));
  const [from, to] = RECORD_CODEC.map((at) => offset + at);
  if (differs(from, to) || differs(offset + RECORD_HEADER, end)) forged.add(offset);
}

function forgePayload(mutant: Mutant, chance: Chance): void {
  const payload = payloadOf(mutant, chance);
  if (payload === undefined) return;
  const { bytes, offset, good } = payload;
  hostileFrame(good, chance).copy(bytes, offset + RECORD_HEADER);
  if (chance.oneIn(4)) bytes[offset + 4] ^= 1;
  sealPayload(bytes, offset, mutant.subject.seed);
  mutant.forged.add(offset);
}

/** A good frame of more or fewer bytes than the record says: this one must not be read. */
function otherLength(mutant: Mutant, chance: Chance): void {
  const payload = payloadOf(mutant, chance);
  if (payload === undefined || mutant.forged.has(payload.offset)) return;
  const { bytes, offset, good, length } = payload;
  // Of a record that is stored as is any bytes are the right ones.
  if (good.length === length) return;
  const other = chance.pick([1, length - 1, length + 1, length >> 1, 2 * length]);
  const frame = plainFrame(good.length, other);
  if (frame === undefined) return;
  frame.copy(bytes, offset + RECORD_HEADER);
  sealPayload(bytes, offset, mutant.subject.seed);
}

/** Of a record that is all there; its length in the header is made right, whatever was done to it before. */
function payloadOf({ bytes, subject }: Mutant, chance: Chance) {
  const whole = [...subject.records].filter(([at, { stored }]) => at + stored <= bytes.length);
  if (whole.length === 0) return undefined;
  const [offset, { stored, data }] = chance.pick(whole);
  const good = Buffer.from(bytes.subarray(offset + RECORD_HEADER, offset + stored));
  bytes.writeUInt32LE(good.length, offset + 12);
  return { bytes, offset, good, length: data.length };
}

function indexField(mutant: Mutant, chance: Chance): void {
  const tail = tailOf(mutant.bytes);
  if (tail === undefined || tail.count === 0) return;
  const entry = tail.index + chance.below(tail.count) * INDEX_ENTRY;
  setField(mutant.bytes, entry, ENTRY_FIELDS, chance);
  sealIndex(mutant.bytes, tail);
}

/** Entries in another order, twice, or fewer of them. */
function indexEntries(mutant: Mutant, chance: Chance): void {
  const tail = tailOf(mutant.bytes);
  if (tail === undefined) return;
  const { bytes } = mutant;
  const entry = (): Buffer => {
    const at = tail.index + chance.below(Math.max(1, tail.count)) * INDEX_ENTRY;
    return bytes.subarray(at, at + INDEX_ENTRY);
  };
  const entries = Array.from({ length: chance.below(2 * tail.count + 2) }, entry);
  const [records, footer] = [bytes.subarray(0, tail.index), bytes.subarray(tail.footer)];
  mutant.bytes = Buffer.concat([records, ...entries, footer]);
  const at = mutant.bytes.length - footer.length;
  mutant.bytes.writeUInt32LE(entries.length, at + 12);
  mutant.bytes.writeBigUInt64LE(BigInt(tail.index), at + 16);
  sealIndex(mutant.bytes, { ...tail, footer: at });
}

function footerField(mutant: Mutant, chance: Chance): void {
  const tail = tailOf(mutant.bytes);
  if (tail === undefined) return;
  setField(mutant.bytes, tail.footer, FOOTER_FIELDS, chance);
  sealFooter(mutant.bytes, tail.footer);
}

const DAMAGE: Weighted<Mutation> = [
  [4, flipBits],
  [4, overwriteRun],
  [2, truncate],
  [2, extend],
  [2, removeRun],
  [3, swapBlocks],
  [3, duplicateBlock],
  [4, splice],
  [3, misplace],
];
const FORGERY: Weighted<Mutation> = [
  [3, headerField],
  [6, recordField],
  [6, forgePayload],
  [3, otherLength],
  [4, indexField],
  [2, indexEntries],
  [3, footerField],
];
const MUTATIONS = [...DAMAGE, ...FORGERY];
/** Names of those that make checksums right again. */
const SEALING: ReadonlySet<string> = new Set(FORGERY.map(([, { name }]) => name));

/** Whatever was done, no checksum was made right again: each tells the truth. */
export const isHonest = ({ said }: Mutant): boolean => !said.some((name) => SEALING.has(name));

/** The chunk's own record, or one before it in its chain. */
export function isForged(
  { forged, subject }: Mutant,
  { packs, offsets }: PackedPlan,
  chunk: number,
): boolean {
  if (packs[chunk] < 0) return false;
  const offset = offsets[chunk];
  const chain = subject.records.get(offset)?.chain ?? offset;
  return [...forged].some((at) => at >= chain && at <= offset);
}

/**
 * The pack format (`src/content/README.md`) in bytes, for tests that forge packs: where its fields are, and how to
 * make their checksums right again.
 */
import xxhash from 'xxhash-addon';

export const FIRST_RECORD = 8192;
export const RECORD_HEADER = 64;
export const INDEX_ENTRY = 48;
export const FOOTER = 64;
/** Where the two headers of a pack are. */
export const HEADERS = [0, 4096] as const;
export const RECORD_MAGIC = Buffer.from('c05243ee', 'hex');
const FOOTER_MAGIC = Buffer.from('CRSEAL\x1a\n', 'latin1');
/** In headers of packs and records and in the footer: what is before it is under it. */
const CHECKSUM_AT = 56;

/** Fields by offset and length in bytes. */
export type Fields = readonly (readonly [at: number, bytes: 1 | 2 | 4 | 8])[];
export const HEADER_FIELDS: Fields = [
  [8, 4],
  [12, 4],
  [16, 8],
  [24, 8],
  [40, 8],
];
export const RECORD_FIELDS: Fields = [
  [4, 1],
  [5, 1],
  [6, 2],
  [8, 4],
  [12, 4],
  [16, 8],
  [48, 8],
];
const CHAIN = 2;

/** Where the chain of a record begins; the record itself where it is in none. */
export function chainOf(pack: Buffer, offset: number): number {
  return pack[offset + 4] === CHAIN ? offset - pack.readUIntLE(offset + 5, 3) : offset;
}

/** From where to where it says how the payload is decoded. */
export const RECORD_CODEC = [4, 8] as const;
/** Those that a reader sizes its buffers by. */
export const RECORD_LENGTHS: Fields = [
  [8, 4],
  [12, 4],
];
export const ENTRY_FIELDS: Fields = [
  [0, 8],
  [32, 8],
  [40, 4],
  [44, 4],
];
export const FOOTER_FIELDS: Fields = [
  [8, 4],
  [12, 4],
  [16, 8],
  [24, 8],
  [32, 8],
  [40, 8],
];

/** XXH3-64 with a seed. */
export function checksum(data: Buffer, seed = 0n): bigint {
  const seedBytes = Buffer.alloc(8);
  seedBytes.writeBigUInt64BE(BigInt.asUintN(64, seed));
  const hash = new xxhash.XXHash3(seedBytes);
  hash.update(data);
  return hash.digest().readBigUInt64BE();
}

/** What binds records to their pack. */
export function packSeed(volumeId: Buffer, packId: number): bigint {
  const id = Buffer.alloc(8);
  id.writeBigUInt64LE(BigInt(packId));
  return checksum(Buffer.concat([volumeId, id]));
}

/** Writes the low bytes of a number. */
export function writeField(bytes: Buffer, at: number, length: number, value: bigint): void {
  const whole = Buffer.alloc(8);
  whole.writeBigUInt64LE(BigInt.asUintN(64, value));
  whole.copy(bytes, at, 0, length);
}

export function readField(bytes: Buffer, at: number, length: number): bigint {
  const whole = Buffer.alloc(8);
  bytes.copy(whole, 0, at, at + length);
  return whole.readBigUInt64LE();
}

function seal(bytes: Buffer, at: number, seed: bigint): void {
  const sum = checksum(bytes.subarray(at, at + CHECKSUM_AT), seed);
  bytes.writeBigUInt64LE(sum, at + CHECKSUM_AT);
}

export const sealHeader = (bytes: Buffer, at: number): void => seal(bytes, at, 0n);

export const sealRecord = (bytes: Buffer, offset: number, seed: bigint): void =>
  seal(bytes, offset, seed + BigInt(offset));

/** The payload's checksum, then the header's. */
export function sealPayload(bytes: Buffer, offset: number, seed: bigint): void {
  const start = offset + RECORD_HEADER;
  const payload = bytes.subarray(start, start + bytes.readUInt32LE(offset + 12));
  bytes.writeBigUInt64LE(checksum(payload), offset + 48);
  sealRecord(bytes, offset, seed);
}

export interface Tail {
  footer: number;
  index: number;
  count: number;
}

/** Where index and footer are, if there is a footer. */
export function tailOf(bytes: Buffer): Tail | undefined {
  const footer = bytes.length - FOOTER;
  if (footer < FIRST_RECORD) return undefined;
  if (!bytes.subarray(footer, footer + 8).equals(FOOTER_MAGIC)) return undefined;
  const count = bytes.readUInt32LE(footer + 12);
  const index = footer - count * INDEX_ENTRY;
  return index < FIRST_RECORD ? undefined : { footer, index, count };
}

/** The index's checksum, then the footer's. */
export function sealIndex(bytes: Buffer, { index, footer }: Tail): void {
  bytes.writeBigUInt64LE(checksum(bytes.subarray(index, footer)), footer + 24);
  sealFooter(bytes, footer);
}

export const sealFooter = (bytes: Buffer, footer: number): void => seal(bytes, footer, 0n);

/** The first record of a pack, with right checksums whatever its fields say. */
export function forgeRecord(
  seed: bigint,
  fields: { codec: number; planes: number; length: number; payloadLength: number },
  payload: Buffer,
): Buffer {
  const header = Buffer.alloc(RECORD_HEADER);
  RECORD_MAGIC.copy(header);
  header[4] = fields.codec;
  header[5] = fields.planes;
  header.writeUInt32LE(fields.length, 8);
  header.writeUInt32LE(fields.payloadLength, 12);
  header.writeBigUInt64LE(checksum(payload), 48);
  seal(header, 0, seed + BigInt(FIRST_RECORD));
  return Buffer.concat([header, payload]);
}

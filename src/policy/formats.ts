/** Recognises file formats by their first bytes: magic numbers and, where there is none, shape. */

export type Format =
  'safetensors' | 'weights' | 'archive' | 'pickle' | 'onnx' | 'index' | 'database' | 'document';

/** A longer header than this is no safetensors header (the format's own limit is 100 MB). */
const MAX_SAFETENSORS_HEADER = 100_000_000;

interface Magic {
  format: Format;
  at: number;
  bytes: Buffer;
}

const MAGICS: readonly Magic[] = [
  magic('weights', 0, 'GGUF'),
  // The formats of llama.cpp before GGUF, magic numbers stored little endian.
  magic('weights', 0, 'lmgg'),
  magic('weights', 0, 'tjgg'),
  magic('weights', 0, 'fmgg'),
  magic('weights', 4, 'TFL3'),
  magic('weights', 0, '\x89HDF\r\n\x1a\n'),
  magic('archive', 0, 'PK\x03\x04'),
  magic('database', 0, 'SQLite format 3\0'),
  // The write-ahead log of SQLite, both byte orders.
  magic('database', 0, '\x37\x7f\x06\x82'),
  magic('database', 0, '\x37\x7f\x06\x83'),
  magic('database', 8, 'DUCK'),
  // LMDB: the meta page starts with a 16-byte page header, then 0xBEEFC0DE.
  magic('database', 16, '\xde\xc0\xef\xbe'),
  // FAISS: four letters that name the index type.
  ...['IxFI', 'IxF2', 'IwFl', 'IvFl', 'IwPQ', 'IxPq', 'IHNf', 'IHNp', 'IHNs', 'IxMp', 'IxM2'].map(
    (text) => magic('index', 0, text),
  ),
  magic('index', 0, 'usearch'),
  magic('document', 0, '%PDF-'),
  magic('document', 0, '{\\rtf'),
  magic('document', 0, 'PAR1'),
  magic('document', 0, 'ARROW1'),
];

/** The format, or undefined where the bytes say nothing. */
export function formatOf(bytes: Buffer): Format | undefined {
  const found = MAGICS.find(({ at, bytes: wanted }) => matches(bytes, at, wanted));
  if (found) return found.format;
  if (isSafetensors(bytes)) return 'safetensors';
  if (isPickle(bytes)) return 'pickle';
  if (isOnnx(bytes)) return 'onnx';
  return undefined;
}

/** A little endian 64-bit header length, then JSON. */
function isSafetensors(bytes: Buffer): boolean {
  if (bytes.length < 10 || bytes.readUInt32LE(4) !== 0) return false;
  const length = bytes.readUInt32LE(0);
  return length >= 2 && length <= MAX_SAFETENSORS_HEADER && /^\{\s*["}]/.test(text(bytes, 8, 24));
}

/** Protocol 2 to 5: PROTO opcode, version, then a frame, a global, a mark or an empty container. */
function isPickle(bytes: Buffer): boolean {
  if (bytes.length < 4 || bytes[0] !== 0x80 || bytes[1] < 2 || bytes[1] > 5) return false;
  return '\x95\x8ac}](.'.includes(String.fromCharCode(bytes[2]));
}

/**
 * A ModelProto starts with field 1 (`ir_version`, a small varint), then field 2 (`producer_name`)
 * or another of its first fields as length-delimited text. There is no magic number.
 */
function isOnnx(bytes: Buffer): boolean {
  if (bytes.length < 6 || bytes[0] !== 0x08 || bytes[1] === 0 || bytes[1] > 32) return false;
  if (![0x12, 0x1a, 0x22, 0x3a, 0x42].includes(bytes[2])) return false;
  const length = bytes[3];
  if (bytes[2] !== 0x12 || length >= 0x80) return true;
  return /^[\x20-\x7e]*$/.test(text(bytes, 4, 4 + length));
}

function matches(bytes: Buffer, at: number, wanted: Buffer): boolean {
  return (
    bytes.length >= at + wanted.length && bytes.subarray(at, at + wanted.length).equals(wanted)
  );
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, Math.min(end, bytes.length));
}

function magic(format: Format, at: number, characters: string): Magic {
  return { format, at, bytes: Buffer.from(characters, 'latin1') };
}

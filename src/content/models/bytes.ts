/**
 * The parts of a model file that say where its tensors are, read wherever they lie. They may claim anything: what
 * is read, and kept, is bounded. Each read is awaited, so that no header keeps anything else waiting for long.
 */

/** Bytes `start` to `end` - 1 of a file. */
export interface Span {
  start: number;
  end: number;
}

/** Reads up to `length` bytes at `offset`; fewer at the end of the file. */
export type ReadBytes = (offset: number, length: number) => Promise<Buffer>;

/** The file is not what it looked like, or says more than a model ever has. */
export class UnknownHeader extends Error {}

/** Far more than any model has. */
export const MAX_TENSORS = 65_536;

const WINDOW = 1 << 14;
/** So at most 256 MiB, where nothing that is asked for is longer than the window. */
const MAX_READS = 1 << 14;

export class ModelBytes {
  private window: Buffer = Buffer.alloc(0);
  private start = 0;
  private reads = 0;

  constructor(
    private readonly read: ReadBytes,
    readonly size: number,
  ) {}

  /** @throws UnknownHeader where the file ends before, or too much was read already */
  async at(offset: number, length: number): Promise<Buffer> {
    if (!(offset >= 0 && offset + length <= this.size)) throw new UnknownHeader();
    if (offset < this.start || offset + length > this.start + this.window.length) {
      if (++this.reads > MAX_READS) throw new UnknownHeader();
      this.window = await this.read(offset, Math.max(length, WINDOW));
      this.start = offset;
      if (this.window.length < length) throw new UnknownHeader();
    }
    const from = offset - this.start;
    return this.window.subarray(from, from + length);
  }

  async u16(offset: number): Promise<number> {
    return (await this.at(offset, 2)).readUInt16LE();
  }

  async u32(offset: number): Promise<number> {
    return (await this.at(offset, 4)).readUInt32LE();
  }

  /** @throws UnknownHeader also for a number that no file could have */
  async u64(offset: number): Promise<number> {
    return u64(await this.at(offset, 8), 0);
  }
}

/** @throws UnknownHeader for a number that no file could have */
export function u64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw new UnknownHeader();
  return value;
}

/**
 * How many bytes of all packed files lie in runs of zeros: they are stored nowhere, and duplicates of nothing. Each
 * recipe's head says it of its file; the sum is counted along, and kept in table `meta`, key `content/zeros`.
 *
 * Older programs know nothing of this sum. So it is kept with what a change of it can't leave as it was: whoever makes
 * a recipe takes the next number, and whoever only lets go of some makes the bytes of all files less. Where these
 * are not what the volume has now, the heads are counted once more, by inode: meanwhile a change counts at once where
 * its inode was passed, and is met later where it was not.
 */
import { nextRecipe } from './recipes.js';
import { decodeHead, numberKey, numberOfKey } from './records.js';
import type { Savings } from './savings.js';
import type { Store } from '../store/types.js';
import { giveWay } from './turns.js';

const VERSION = 1;
const KEY = Buffer.from('content/zeros', 'latin1');
/** Heads counted in one turn: some milliseconds. */
const SLICE_HEADS = 1000;

export interface Zeros {
  /** The inode has a recipe with so many zeros more, or less. Part of this turn's transaction. */
  add(ino: number, bytes: number): void;
  /** While they are counted: of the files that were. */
  bytes(): number;
  /** Counts where it has to be: a first slice at once, the others between what else there is to do. */
  count(): Promise<void>;
  /** Before the store is closed. */
  stop(): void;
}

export function createZeros(store: Store, savings: Savings): Zeros {
  const meta = store.table('meta');
  const heads = store.table('recipes');
  let stopped = false;
  let bytes = 0;
  /** Inodes up to this one are counted. */
  let counted = 0;

  const known = meta.get(KEY);
  if (known && isCurrent(known)) {
    bytes = Number(known.readBigInt64LE(8));
    counted = Infinity;
  }

  function isCurrent(value: Buffer): boolean {
    return value[0] === VERSION && value.subarray(16).equals(encode().subarray(16));
  }

  function encode(): Buffer {
    const value = Buffer.alloc(32);
    value[0] = VERSION;
    value.writeBigInt64LE(BigInt(bytes), 8);
    value.writeBigInt64LE(BigInt(nextRecipe(store)), 16);
    value.writeBigInt64LE(BigInt(savings.counters().logical), 24);
    return value;
  }

  // It asks for no commit of its own: what nobody changes is as quickly counted again.
  store.beforeCommit(() => {
    if (counted !== Infinity) return;
    const value = encode();
    if (meta.get(KEY)?.equals(value) !== true) meta.put(KEY, value);
  });

  function countSlice(): void {
    let left = SLICE_HEADS;
    for (const { key, value } of heads.range(numberKey(counted + 1))) {
      bytes += decodeHead(value).zeroBytes;
      counted = numberOfKey(key);
      if (--left === 0) return;
    }
    counted = Infinity;
  }

  return {
    add(ino, change) {
      if (ino <= counted) bytes += change;
    },
    bytes: () => bytes,
    async count() {
      while (counted !== Infinity && !stopped) {
        countSlice();
        await giveWay();
      }
    },
    stop: () => void (stopped = true),
  };
}

/** The time of changes to inodes. */
import { native } from '../native.js';

export interface Time {
  sec: number;
  nsec: number;
}

const scratch = new Float64Array(2);

/**
 * As the kernel would stamp a file with it: backing files are stamped by the kernel, and what compares times, such as make,
 * must find them in the order of what happened.
 */
export function now(): Time {
  native.currentTime(scratch);
  return { sec: scratch[0], nsec: scratch[1] };
}

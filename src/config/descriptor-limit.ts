import { readFileSync } from 'node:fs';

/** How many descriptors this process may have: its hard limit, for Node raises the soft one to it. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return hard === 'unlimited' ? Infinity : Number(hard);
}

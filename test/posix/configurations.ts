/** Every way to serve that the suite runs against, and what the kernel makes impossible in it. */
import type { TestContext } from 'node:test';
import { ext4, ordinaryUser, packed, plain, type Place } from './places.js';

export interface Configuration {
  name: string;
  open(t: TestContext): Promise<Place>;
  /**
   * `family: case` and the reason why it can't hold here, the same as in test/README.md. Each of them must
   * fail: one that holds has to go from this list.
   */
  exceptions: Readonly<Record<string, string>>;
}

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: 'ext4', open: ext4, exceptions: {} },
  { name: 'plain files through the kernel', open: plain(), exceptions: {} },
  { name: 'plain files with passthrough=off', open: plain('passthrough=off'), exceptions: {} },
  { name: 'packed files', open: packed(), exceptions: {} },
  { name: 'mounted by an ordinary user', open: ordinaryUser, exceptions: {} },
];

/** What gc says of the space that it can't give back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftLines } from '../../src/cli/gc.js';

const MIB = 1 << 20;
const NOTHING = { deadBytes: 0, noRoom: [], deadBesideDamage: 0 };

test('where nothing dead is left gc says nothing of it', () => {
  assert.deepEqual(leftLines(NOTHING), []);
});

test('each reason for which dead space stays is named, with its share', () => {
  const short = { tier: 'hdd', deadBytes: 3 * MIB, neededBytes: 2 * MIB, freeBytes: MIB };
  assert.deepEqual(leftLines({ deadBytes: 9 * MIB, noRoom: [short], deadBesideDamage: 2 * MIB }), [
    '3.00 MiB of deleted files stay on tier hdd: what is left of their packs has to be copied, which takes 2.00 MiB at least; 1.00 MiB are free there',
    '2.00 MiB of deleted files stay: something in the rest of their packs is damaged; scrub names the files',
    '4.00 MiB of deleted files stay until more than half of their pack is deleted',
  ]);
  assert.equal(leftLines({ ...NOTHING, deadBytes: 3 * MIB, noRoom: [short] }).length, 1);
});

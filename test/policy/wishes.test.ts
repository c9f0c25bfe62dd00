import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileFacts, Wish } from '../../src/policy/types.js';
import { type SweepInput, wishesFor } from '../../src/policy/wishes.js';
import { facts, fills, HOUR, input, LARGEST_PACKED, MiB, ruleSet } from './facts.js';

function show(wishes: Wish[]): string {
  return wishes.map(text).join(', ');
}

function text(wish: Wish): string {
  if (wish.kind === 'promote') return `${wish.ino} up ${wish.tier}`;
  return `${wish.ino} down ${wish.tier} ${wish.pack ? 'packed' : 'plain'}`;
}

function wishes(files: FileFacts[], changes: Partial<SweepInput> = {}): string {
  return show(wishesFor(files, input(changes)));
}

const idle = { idleMs: 25 * HOUR, heat: 0.01 };
const db = { path: '/data/conversations/a.db', fileClass: 'database' } as const;
const byHeat = { rules: ruleSet([], 'heat') };
const packed = { plainTier: null, packedTier: 'hdd' };

const ONE_FILE: readonly [string, Partial<FileFacts>, Partial<SweepInput>, string][] = [
  ['a file in use stays', {}, {}, ''],
  ['a cold model is packed on the slowest tier', idle, {}, '1 down hdd packed'],
  [
    'a cold model goes even where heat is left over',
    { idleMs: 25 * HOUR, heat: 9 },
    {},
    '1 down hdd packed',
  ],
  ['an open file stays', { ...idle, open: true }, {}, ''],
  ['a cold database moves plain', { ...idle, ...db }, {}, '1 down hdd plain'],
  ['a cold database that is there stays', { ...idle, ...db, plainTier: 'hdd' }, {}, ''],
  ['a cold adapter stays', { ...idle, path: '/models/adapters/a', fileClass: 'adapter' }, {}, ''],
  [
    'a cold model that is plain on hdd is packed there',
    { ...idle, plainTier: 'hdd' },
    {},
    '1 down hdd packed',
  ],
  [
    'a cold model that is too large to be packed moves plain',
    { ...idle, size: LARGEST_PACKED + 1 },
    {},
    '1 down hdd plain',
  ],
  ['one that is there stays', { ...idle, size: LARGEST_PACKED + 1, plainTier: 'hdd' }, {}, ''],
  ['a cold packed model stays', { ...idle, ...packed }, {}, ''],
  [
    'a cold model packed on ssd goes on to hdd',
    { ...idle, plainTier: null, packedTier: 'ssd' },
    {},
    '1 down hdd packed',
  ],
  ['a clean hot copy goes', { ...idle, packedTier: 'hdd' }, {}, '1 down hdd packed'],
  ['an empty file without data stays', { ...idle, size: 0, plainTier: null }, {}, ''],
  ['an empty file that is there stays', { ...idle, size: 0, plainTier: 'hdd' }, {}, ''],
  [
    'a file in archive/ goes once it has settled',
    { path: '/archive/a', idleMs: 5000 },
    {},
    '1 down hdd packed',
  ],
  [
    'a file in archive/ that has just been written stays',
    { path: '/archive/a', idleMs: 4999 },
    {},
    '',
  ],
  ['a hot packed file stays where opening brings it up', { ...packed, heat: 5 }, {}, ''],
  ['a hot packed file comes up by heat', { ...packed, heat: 1.5 }, byHeat, '1 up nvme'],
  ['a warm packed file does not', { ...packed, heat: 1.4 }, byHeat, ''],
  [
    'a hot file that is plain on a slower tier comes up',
    { plainTier: 'hdd', heat: 2 },
    byHeat,
    '1 up nvme',
  ],
  [
    'heat brings nothing up that is idle for cold-after',
    { ...packed, heat: 9, idleMs: 24 * HOUR },
    byHeat,
    '',
  ],
  [
    'heat brings nothing up into a tier that would have to be drained for it',
    { ...packed, heat: 9 },
    { ...byHeat, tiers: fills(60) },
    '',
  ],
  [
    'heat uses room below the low watermark',
    { ...packed, heat: 9 },
    { ...byHeat, tiers: fills(59) },
    '1 up nvme',
  ],
  ['a pinned file stays though cold', { ...idle, pin: 'nvme' }, {}, ''],
  ['a pinned file goes up plain', { ...packed, pin: 'ssd' }, {}, '1 up ssd'],
  ['a pinned file goes down plain', { pin: 'hdd' }, {}, '1 down hdd plain'],
  ['a pinned packed file becomes plain on its tier', { ...packed, pin: 'hdd' }, {}, '1 up hdd'],
  ['a pinned open file waits', { pin: 'hdd', open: true }, {}, ''],
  ['a pin to a tier without room is no wish', { pin: 'hdd', size: 200 * MiB }, {}, ''],
  [
    'holes need no room for a pin',
    { pin: 'hdd', size: 200 * MiB, bytes: MiB },
    {},
    '1 down hdd plain',
  ],
  [
    'holes need no room for cold data',
    { ...idle, ...db, size: 200 * MiB, bytes: MiB },
    {},
    '1 down hdd plain',
  ],
  [
    'holes need no room for hot data',
    { ...packed, heat: 5, size: 200 * MiB, bytes: MiB },
    byHeat,
    '1 up nvme',
  ],
];

for (const [what, changes, sweep, expected] of ONE_FILE) {
  test(`${what}: ${expected === '' ? 'nothing' : expected}`, () => {
    assert.equal(wishes([facts(changes)], sweep), expected);
  });
}

test('nothing goes to a tier that is missing', () => {
  const tiers = fills();
  tiers[2] = { ...tiers[2], writable: false };
  assert.equal(wishes([facts(idle), facts({ ...idle, ...db, ino: 2 })], { tiers }), '');
});

/** 80 files of 1 MiB, colder the higher the number, all idle long enough not to count as recent. */
function crowd(changes: (ino: number) => Partial<FileFacts> = () => ({})): FileFacts[] {
  return Array.from({ length: 80 }, (_, i) =>
    facts({ ino: i + 1, heat: 1 - (i + 1) / 100, ...changes(i + 1) }),
  );
}

test('below the high watermark nothing is drained', () => {
  assert.equal(wishes(crowd(), { tiers: fills(80) }), '');
});

test('above it the coldest go to the next tier, down to the low watermark', () => {
  const made = wishesFor(crowd(), input({ tiers: fills(81) }));
  assert.equal(made.length, 21);
  assert.deepEqual(
    made.map(({ ino }) => ino),
    Array.from({ length: 21 }, (_, i) => 80 - i),
  );
  assert.ok(made.every(({ tier, kind }) => kind === 'demote' && tier === 'ssd'));
  assert.match(made[0].because, /tier nvme is 81 percent full, above 80/);
});

test('files that are COLD go to the place of cold data at once', () => {
  assert.equal(wishes([facts({ heat: 0.01 })], { tiers: fills(81) }), '1 down hdd packed');
  assert.equal(wishes([facts({ heat: 0.2 })], { tiers: fills(81) }), '1 down ssd packed');
});

test('cache goes before anything else, what is to go last after', () => {
  const rules = ruleSet([{ match: { path: 'precious/**' }, place: { demote: 'last' } }]);
  const files = [
    facts({ ino: 1, path: '/precious/a', heat: 0.01, size: 30 * MiB }),
    facts({ ino: 2, heat: 0.5, size: MiB }),
    facts({ ino: 3, path: '/cache/a', fileClass: 'cache', heat: 0.9, size: MiB }),
  ];
  const order = wishesFor(files, input({ rules, tiers: fills(85) })).map(({ ino }) => ino);
  assert.deepEqual(order, [3, 2, 1]);
});

test('a file that has just come up is not sent down again while others can go', () => {
  const files = [
    facts({ ino: 1, heat: 0.01, idleMs: 60_000, size: 15 * MiB }),
    facts({ ino: 2, heat: 3, idleMs: HOUR, size: 30 * MiB }),
  ];
  assert.deepEqual(
    wishesFor(files, input({ tiers: fills(85) })).map(({ ino }) => ino),
    [2],
  );
  assert.equal(wishes([files[0]], { tiers: fills(85) }), '1 down hdd packed');
});

test('open, pinned, settling and never-demoted files are not drained', () => {
  const files = [
    facts({ ino: 1, open: true }),
    facts({ ino: 2, pin: 'nvme' }),
    facts({ ino: 3, idleMs: 1000 }),
    facts({ ino: 4, path: '/config/a', fileClass: 'config' }),
  ];
  assert.equal(wishes(files, { tiers: fills(95) }), '');
});

test('what goes by cold-after counts towards the drain', () => {
  const files = [facts({ ino: 1, ...idle, size: 30 * MiB }), facts({ ino: 2, size: 5 * MiB })];
  assert.equal(wishes(files, { tiers: fills(85) }), '1 down hdd packed');
});

test('a sparse file goes down in a drain, and only its data counts towards it', () => {
  const files = [
    facts({ ino: 1, heat: 0.1, size: 45 * MiB, bytes: MiB }),
    facts({ ino: 2, size: 30 * MiB }),
  ];
  assert.equal(wishes(files, { tiers: fills(85) }), '1 down ssd packed, 2 down ssd packed');
});

test('a clean hot copy goes back to its packed form, not to a new place', () => {
  assert.equal(wishes([facts({ packedTier: 'hdd' })], { tiers: fills(85) }), '1 down hdd packed');
});

test('databases are drained plain, and past a tier that they would overfill', () => {
  const file = facts({ ...db, size: 25 * MiB });
  assert.equal(wishes([file], { tiers: fills(85) }), '1 down ssd plain');
  assert.equal(wishes([file], { tiers: fills(85, 60) }), '1 down hdd plain');
  assert.equal(wishes([file], { tiers: fills(85, 60, 90) }), '1 down ssd plain');
  assert.equal(wishes([file], { tiers: fills(85, 80, 80) }), '');
});

test('a full slowest tier packs what is plain there', () => {
  const file = facts({ plainTier: 'hdd' });
  assert.equal(wishes([file], { tiers: fills(10, 10, 85) }), '1 down hdd packed');
  assert.equal(wishes([facts({ ...db, plainTier: 'hdd' })], { tiers: fills(10, 10, 85) }), '');
});

test('a middle tier is drained of packed files too', () => {
  const file = facts({ plainTier: null, packedTier: 'ssd' });
  assert.equal(wishes([file], { tiers: fills(10, 85) }), '1 down hdd packed');
});

test('moves under way count: a tier being drained is not drained twice', () => {
  const tiers = fills(85);
  tiers[1].arriving = 65 * MiB;
  // ssd would pass its own high watermark.
  assert.equal(wishes([facts({ size: 10 * MiB })], { tiers }), '1 down hdd packed');
});

test('a sweep over very many files keeps the coldest that suffice', () => {
  const files = Array.from({ length: 20_000 }, (_, i) =>
    facts({ ino: i + 1, size: MiB, heat: ((i * 7919) % 20_000) / 20_000 }),
  );
  const made = wishesFor(files, input({ tiers: fills(81) }));
  const coldest = files.toSorted((a, b) => a.heat - b.heat).slice(0, 21);
  assert.deepEqual(
    made.map(({ ino }) => ino),
    coldest.map(({ ino }) => ino),
  );
});

test('sweeping until nothing is wished ends, and nothing moves back and forth', () => {
  const files = crowd((ino) => ({ size: MiB, heat: ino / 20 }));
  const size = (name: string): number =>
    10 + files.filter((file) => (file.plainTier ?? file.packedTier) === name).length;
  const moves = new Map<number, number>();
  for (let sweep = 0; sweep < 10; sweep++) {
    const tiers = fills(size('nvme'), size('ssd'), size('hdd'));
    const made = wishesFor(files, input({ tiers, rules: ruleSet([], 'heat') }));
    if (made.length === 0) break;
    for (const wish of made) {
      const file = files.find(({ ino }) => ino === wish.ino)!;
      file.plainTier = wish.kind === 'promote' ? wish.tier : null;
      file.packedTier = wish.kind === 'promote' ? file.packedTier : wish.tier;
      moves.set(file.ino, (moves.get(file.ino) ?? 0) + 1);
    }
    assert.ok(sweep < 9, 'it settles');
  }
  assert.ok(Math.max(...moves.values()) === 1, 'each file moved once');
});

/** Rules as `policy show` prints them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rulesText } from '../../src/cli/rules-text.js';
import { parseConfigFile } from '../../src/config/config-file.js';
import type { Rule } from '../../src/config/rule.js';

const RULES: Rule[] = [
  { match: { path: 'models/adapters/**' }, place: { tier: 'nvme', pack: 'never' } },
  { match: { class: 'model', larger: 2 ** 30 }, place: { tier: 'nvme', cold: 'hdd' } },
  { match: { path: '*: "ü" {a,b} # no comment', smaller: 1_500_001 }, place: { tier: 'null' } },
  { match: { smaller: 0 }, place: { promote: 'never', demote: 'first' } },
  { match: {}, place: {} },
];

test('a person reads rules as they stand in a file', async () => {
  assert.deepEqual(await rulesText(RULES.slice(0, 2)), [
    'rules:',
    '  # rule 1',
    '  - match: { path: "models/adapters/**" }',
    '    place: { tier: nvme, pack: never }',
    '  # rule 2',
    '  - match: { class: model, larger: 1GiB }',
    '    place: { tier: nvme, cold: hdd }',
  ]);
  assert.deepEqual(await rulesText([]), []);
});

test('rules that are printed and pasted into a file are the same rules', async () => {
  const text = (await rulesText(RULES)).join('\n');
  const { rules, words } = await parseConfigFile(text, 'pasted');
  assert.deepEqual(rules, RULES);
  assert.deepEqual(words, []);
});

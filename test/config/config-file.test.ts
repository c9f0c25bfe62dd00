/** The YAML file: settings and rules, refused with file and line where they are wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfigFile } from '../../src/config/config-file.js';
import { CoralError } from '../../src/config/errors.js';

const parse = (text: string) => parseConfigFile(text, 'reef.yaml');

async function refusal(text: string): Promise<string> {
  try {
    await parse(text);
  } catch (error) {
    assert.ok(error instanceof CoralError, String(error));
    assert.ok(!error.message.includes('\n'), error.message);
    return error.message;
  }
  assert.fail(`accepted: ${text}`);
}

test('the rules of the documentation are understood', async () => {
  const { rules } = await parse(`
rules:
  - match: { path: "models/adapters/**" }         # glob below the mount
    place: { tier: nvme, pack: never }
  - match: { class: model, larger: 1GiB }
    place: { tier: nvme, cold: hdd, promote: open }
  - match: { path: "/cache/**", smaller: 4096 }
    place: { tier: nvme, demote: first }
`);
  assert.deepEqual(rules, [
    { match: { path: 'models/adapters/**' }, place: { tier: 'nvme', pack: 'never' } },
    {
      match: { class: 'model', larger: 1024 ** 3 },
      place: { tier: 'nvme', cold: 'hdd', promote: 'open' },
    },
    { match: { path: 'cache/**', smaller: 4096 }, place: { tier: 'nvme', demote: 'first' } },
  ]);
});

test('settings may be nested or written with dots, lists repeat', async () => {
  const { words } = await parse(
    'tier: { nvme: /mnt/a }\nnvme.high: 90\ncompress: [auto, "hdd:off"]\n',
  );
  assert.deepEqual(
    words.map(({ name, value }) => [name, value]),
    [
      ['tier.nvme', '/mnt/a'],
      ['nvme.high', '90'],
      ['compress', 'auto'],
      ['compress', 'hdd:off'],
    ],
  );
  assert.equal(words[1].origin, 'reef.yaml:2: nvme.high: 90');
});

test('an empty file says nothing', async () => {
  assert.deepEqual(await parse(''), { words: [], rules: [] });
  assert.deepEqual(await parse('# only a comment\n'), { words: [], rules: [] });
});

test('what is wrong is named with its line', async () => {
  const cases: [string, RegExp][] = [
    ['rules:\n  - match: { colour: red }\n    place: { tier: a }\n', /:2: .*"colour"/],
    ['rules:\n  - match: { pth: x }\n    place: {}\n', /did you mean path\?/],
    ['rules:\n  - match: { class: modle }\n    place: {}\n', /:2: .*"modle".*model/],
    ['rules:\n  - match: { larger: 10Q }\n    place: {}\n', /:2: .*"10Q".*bytes/],
    ['rules:\n  - match: {}\n    place: { pack: maybe }\n', /:3: .*"maybe".*auto, never/],
    ['rules:\n  - match: {}\n', /reef\.yaml:2: rules\[0\]\.?/],
    ['rules: 5\n', /:1: rules: "5" is not allowed\. Expected a list$/],
    ['rules: [5]\n', /rules\[0\]: .*Expected words with values/],
    ['- a\n- b\n', /name: value/],
    ['a: [\n', /reef\.yaml:\d+: /],
    ['config: other.yaml\n', /another/],
    ['a: 1\na: 2\n', /:2: /],
    ['nvme: { high: [90, 20] }\n', /:1: nvme\.high takes one value/],
  ];
  for (const [text, pattern] of cases) assert.match(await refusal(text), pattern, text);
});

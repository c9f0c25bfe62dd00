import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileClass } from '../../src/config/file-class.js';
import type { Rule } from '../../src/config/rule.js';
import { compileRules } from '../../src/policy/rules.js';
import type { Placement } from '../../src/policy/types.js';
import { ruleSet } from './facts.js';

function place(path: string, fileClass: FileClass, rules: Rule[] = [], size = 1000): Placement {
  return ruleSet(rules).placementFor({ path, fileClass, size });
}

/** tier, cold, pack, promote, demote. */
const USUAL_TREE: readonly [string, FileClass, string][] = [
  ['/models/base/m/a.safetensors', 'model', 'nvme hdd pack open auto'],
  ['/models/quantized/a.gguf', 'model', 'nvme hdd pack open auto'],
  ['/models/base/m/config.json', 'config', 'nvme nvme plain open never'],
  ['/models/adapters/a/adapter_model.safetensors', 'adapter', 'nvme nvme plain open never'],
  ['/models/adapters/a/notes.md', 'document', 'nvme nvme plain open never'],
  ['/elsewhere/lora.safetensors', 'adapter', 'nvme nvme plain open never'],
  ['/vectors/docs.faiss', 'vector-index', 'nvme hdd plain open auto'],
  ['/vectors/readme', 'other', 'nvme hdd plain open auto'],
  ['/data/documents/a.pdf', 'document', 'nvme hdd pack open auto'],
  ['/data/conversations/chat.db', 'database', 'nvme hdd plain open auto'],
  ['/data/conversations/log.jsonl', 'document', 'nvme hdd plain open auto'],
  ['/data/memories/m', 'other', 'nvme hdd plain open auto'],
  ['/cache/x', 'cache', 'nvme hdd pack open first'],
  ['/cache/x.gguf', 'model', 'nvme hdd pack open first'],
  ['/config/server.yaml', 'config', 'nvme nvme plain open never'],
  ['/config/.hidden', 'other', 'nvme nvme plain open never'],
  ['/staging/a.gguf', 'model', 'nvme hdd pack open first'],
  ['/archive/old.gguf', 'model', 'hdd hdd pack never first'],
  ['/archive/chat.db', 'database', 'hdd hdd plain never first'],
  ['/anything', 'other', 'nvme hdd pack open auto'],
];

for (const [path, fileClass, expected] of USUAL_TREE) {
  test(`without any rule ${path} (${fileClass}) gets: ${expected}`, () => {
    const { tier, cold, pack, promote, demote, because } = place(path, fileClass);
    assert.equal([tier, cold, pack ? 'pack' : 'plain', promote, demote].join(' '), expected);
    assert.match(because, /^default: /);
  });
}

test('archive/ is cold at once, the rest after cold-after', () => {
  assert.equal(place('/archive/a', 'other').coldAfterMs, 0);
  assert.equal(place('/a', 'other').coldAfterMs, 24 * 3_600_000);
});

test('the first rule of the operator that matches decides, defaults fill what it leaves open', () => {
  const rules: Rule[] = [
    { match: { path: 'models/base/keep/**' }, place: { demote: 'never' } },
    { match: { class: 'model', larger: 100 }, place: { tier: 'ssd', promote: 'heat' } },
    { match: { path: '/models/**' }, place: { tier: 'hdd' } },
  ];
  const kept = place('/models/base/keep/a.gguf', 'model', rules);
  assert.equal(
    `${kept.tier} ${kept.demote} ${kept.because}`,
    'nvme never rule 1: path models/base/keep/**',
  );
  const large = place('/models/a.gguf', 'model', rules, 101);
  assert.equal(`${large.tier} ${large.cold} ${large.promote}`, 'ssd hdd heat');
  assert.equal(large.because, 'rule 2: class model, larger than 100 bytes');
  const small = place('/models/a.gguf', 'model', rules, 100);
  assert.equal(`${small.tier} ${small.cold}`, 'hdd hdd');
  assert.match(place('/x', 'other', rules).because, /^default/);
});

test('a rule that lets adapters go lets them go down', () => {
  const rules: Rule[] = [{ match: { class: 'adapter' }, place: { demote: 'auto', pack: 'auto' } }];
  const { cold, pack, demote } = place('/models/adapters/a', 'adapter', rules);
  assert.deepEqual([cold, pack, demote], ['hdd', true, 'auto']);
});

test('cold data never has a faster place than hot data', () => {
  const rules: Rule[] = [{ match: {}, place: { tier: 'hdd', cold: 'nvme' } }];
  assert.equal(place('/a', 'other', rules).cold, 'hdd');
});

test('a rule for a tier that the volume does not have is refused by its number', () => {
  const compile = () =>
    compileRules(
      { rules: [{ match: {}, place: { cold: 'tape' } }], promote: 'open', coldAfterMs: 1 },
      ['nvme'],
      Infinity,
    );
  assert.throws(compile, /rule 1: place\.cold: the volume has no tier 'tape'; it has nvme/);
});

test('a volume of one tier has one place for everything', () => {
  const rules = compileRules({ rules: [], promote: 'open', coldAfterMs: 1 }, ['only'], Infinity);
  const { tier, cold } = rules.placementFor({ path: '/archive/a', fileClass: 'other', size: 1 });
  assert.deepEqual([tier, cold], ['only', 'only']);
});

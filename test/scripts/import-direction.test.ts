/** The harness tests that must fail: a check that catches nothing would let the layers grow together. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

interface RuleModule {
  wrongImport(filename: string, specifier: string): string | undefined;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
const ruleFile = new URL('../../../scripts/import-direction.js', import.meta.url).href;
const { wrongImport } = (await import(ruleFile)) as RuleModule;

const wrong: [string, string][] = [
  ['store/store.ts', '../content/store.js'],
  ['content/store.ts', '../namespace/namespace.js'],
  ['content/store.ts', '../migration/types.js'],
  ['filesystem/read.ts', '../migration/queue.js'],
  ['filesystem/read.ts', '../daemon/daemon.js'],
  ['fuse/session.ts', '../namespace/types.js'],
  ['policy/rules.ts', '../native.js'],
  ['policy/rules.ts', '../store/types.js'],
  ['policy/rules.ts', 'node:fs/promises'],
  ['policy/rules.ts', 'net'],
  ['config/size.ts', '../observe/log.js'],
  ['daemon/daemon.ts', '../cli/mount.js'],
  ['elsewhere/thing.ts', '../config/types.js'],
];

const right: [string, string][] = [
  ['cli/mount.ts', '../daemon/daemon.js'],
  ['filesystem/read.ts', '../fuse/types.js'],
  ['filesystem/read.ts', '../migration/types.js'],
  ['content/store.ts', '../namespace/types.js'],
  ['content/store.ts', './types.js'],
  ['content/store.ts', 'node:fs'],
  ['policy/rules.ts', '../config/rule.js'],
  ['policy/rules.ts', 'picomatch'],
  ['fuse/session.ts', '../native.js'],
];

test('an import against the direction of the layers is caught', () => {
  for (const [file, specifier] of wrong) {
    assert.ok(wrongImport(`/checkout/src/${file}`, specifier), `${file} imports ${specifier}`);
  }
});

test('an import in the direction of the layers passes', () => {
  for (const [file, specifier] of right) {
    assert.equal(wrongImport(`/checkout/src/${file}`, specifier), undefined, file);
  }
});

test('tests and scripts may import anything', () => {
  assert.equal(wrongImport('/checkout/test/store/store.test.ts', '../../src/cli/x.js'), undefined);
});

interface EslintModule {
  ESLint: new (options: object) => {
    lintText(
      text: string,
      options: { filePath: string },
    ): Promise<{ messages: { ruleId: string | null }[] }[]>;
  };
}

test('the linter as configured reports a wrong import in a file of the project', async () => {
  const { ESLint } = createRequire(import.meta.url)('eslint') as EslintModule;
  const eslint = new ESLint({
    cwd: root,
    overrideConfigFile: `${root}scripts/eslint.config.js`,
  });
  const text = "export * from '../content/types.js';\n";
  const [result] = await eslint.lintText(text, { filePath: `${root}src/store/types.ts` });
  const rules = result.messages.map((message) => message.ruleId);
  assert.ok(rules.includes('coral-reef/import-direction'), JSON.stringify(result.messages));
});

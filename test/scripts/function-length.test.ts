/** The rule on long functions catches one, and lets a factory of short closures be. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';

interface Eslint {
  Linter: new () => { verify(code: string, config: object): { message: string }[] };
}

const ruleFile = new URL('../../../scripts/function-length.js', import.meta.url).href;
const { functionLength } = (await import(ruleFile)) as { functionLength: unknown };

function problems(code: string): string[] {
  const { Linter } = createRequire(import.meta.url)('eslint') as Eslint;
  const config = {
    plugins: { local: { rules: { length: functionLength } } },
    rules: { 'local/length': ['error', { max: 10 }] },
  };
  return new Linter().verify(code, config).map(({ message }) => message);
}

const body = (lines: number) => 'call();\n'.repeat(lines);

test('a long function is caught', () => {
  const [message] = problems(`function long() {\n${body(10)}}\n`);
  assert.match(message, /12 lines of its own/);
});

test('a factory is not blamed for the lines of its closures', () => {
  const closure = (name: string) => `function ${name}() {\n${body(6)}}\n`;
  assert.deepEqual(problems(`function make() {\n${closure('a')}${closure('b')}}\n`), []);
});

test('blank lines and comments are no lines of code', () => {
  assert.deepEqual(problems(`function short() {\n${'\n// why\n'.repeat(20)}}\n`), []);
});

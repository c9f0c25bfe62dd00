/** Tables and the progress bar, as they stand on a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressBar, table } from '../../src/cli/output.js';

test('columns line up, numbers at the right, nothing trails', () => {
  const lines = table(
    ['NAME', 'SIZE', 'PATH'],
    [
      ['a', 1, '/x'],
      ['longer', 1000, ''],
      ['ünïcödé', null, undefined],
    ],
    ['SIZE'],
  );
  assert.deepEqual(lines, [
    'NAME     SIZE  PATH',
    'a           1  /x',
    'longer   1000  -',
    'ünïcödé     -  -',
  ]);
});

test('a file name can not take over the terminal', () => {
  const [, line] = table(['PATH'], [['evil\x1b[2J\nname']]);
  assert.equal(line, 'evil?[2J?name');
});

test('the progress bar fills and never breaks the line', () => {
  assert.match(progressBar(0, 'x', 80), /^\[\.{40}\] {3}0% x$/);
  assert.match(progressBar(0.5, 'x', 80), /^\[#{20}\.{20}\] {2}50% x$/);
  assert.match(progressBar(1, 'x', 80), /^\[#{40}\] 100% x$/);
  assert.match(progressBar(7, 'x', 80), /100%/);
  assert.match(progressBar(-1, 'x', 80), / 0%/);
  for (const columns of [20, 40, 200]) {
    assert.ok(progressBar(0.3, 'a long label '.repeat(20), columns).length < columns);
  }
});

/** Sizes, durations, rates and percents, as people write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatDuration,
  formatExactSize,
  formatSize,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
} from '../../src/config/units.js';

const GIB = 1024 ** 3;

test('a tier gets the capacity that was written, in every unit', () => {
  const sizes: [string, number | undefined][] = [
    ['0', 0],
    ['4096', 4096],
    ['4096B', 4096],
    ['10G', 10 * GIB],
    ['10g', 10 * GIB],
    ['10GiB', 10 * GIB],
    ['10GB', 10e9],
    ['512M', 512 * 1024 ** 2],
    ['1.5G', 1.5 * GIB],
    [' 2 TiB ', 2 * 1024 ** 4],
    ['1P', 1024 ** 5],
    ['10Q', undefined],
    ['G', undefined],
    ['', undefined],
    ['-1G', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['1,5G', undefined],
    ['10GG', undefined],
    ['99999P', undefined],
    ['1constructor', undefined],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes, text);
});

test('a file goes down after the time that was written, in every unit', () => {
  const durations: [string, number | undefined][] = [
    ['30s', 30_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['1h30m', 5_400_000],
    ['0.5s', 500],
    ['10', 10_000],
    ['0', 0],
    ['soon', undefined],
    ['5 parsecs', undefined],
    ['-5s', undefined],
    ['5y', undefined],
    ['s', undefined],
    ['', undefined],
  ];
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, text);
});

test('migration is held to the rate that was written', () => {
  assert.equal(parseRate('0'), 0);
  assert.equal(parseRate('200M'), 200 * 1024 ** 2);
  assert.equal(parseRate('200M/s'), 200 * 1024 ** 2);
  assert.equal(parseRate('1.5GB/s'), 1.5e9);
  assert.equal(parseRate('unlimited'), Infinity);
  assert.equal(parseRate('fast'), undefined);
  assert.equal(parseRate('10Q/s'), undefined);
});

test('a watermark outside 1 to 99 percent is refused', () => {
  assert.equal(parsePercent('85'), 85);
  assert.equal(parsePercent('85%'), 85);
  for (const text of ['0', '100', '101', '8.5', '-1', '', 'high']) {
    assert.equal(parsePercent(text), undefined, text);
  }
});

test('sizes and durations are readable in tables', () => {
  assert.equal(formatSize(0), '0 B');
  assert.equal(formatSize(999), '999 B');
  assert.equal(formatSize(1024), '1.00 KiB');
  assert.equal(formatSize(10.5 * GIB), '10.5 GiB');
  assert.equal(formatSize(999.6 * GIB), '0.98 TiB');
  assert.equal(formatSize(120 * GIB), '120 GiB');
  assert.equal(formatDuration(604_800_000), '1w');
  assert.equal(formatDuration(90_000), '90s');
  assert.equal(formatDuration(1500), '1500ms');
  assert.equal(formatDuration(0), '0ms');
});

test('a size in a rule that is shown is the size that was written', () => {
  for (const bytes of [0, 1, 1000, 1024, 1536, 1_500_001, GIB, 3 * 1024 * GIB]) {
    assert.equal(parseSize(formatExactSize(bytes)), bytes);
  }
  assert.equal(formatExactSize(1536 * 1024), '1536KiB');
});

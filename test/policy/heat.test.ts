import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decayed, temperatureOf, touched } from '../../src/policy/heat.js';

test('heat halves with each half-life, whatever the steps', () => {
  assert.equal(decayed(1, 1000, 1000), 0.5);
  assert.equal(decayed(decayed(8, 1000, 1000), 2000, 1000), 1);
  assert.equal(decayed(3, 0, 1000), 3);
});

test('a clock that went back, or damaged heat, heats nothing', () => {
  assert.equal(decayed(1, -5000, 1000), 1);
  assert.equal(decayed(NaN, 10, 1000), 0);
  assert.equal(decayed(-4, 10, 1000), 0);
});

test('each open adds one', () => {
  assert.equal(touched(0, 0, 1000), 1);
  assert.equal(touched(1, 1000, 1000), 1.5);
});

test('a file opened once is hot for a half-life and cold after four', () => {
  assert.equal(temperatureOf(decayed(1, 1000, 1000)), 'HOT');
  assert.equal(temperatureOf(decayed(1, 1001, 1000)), 'WARM');
  assert.equal(temperatureOf(decayed(1, 4000, 1000)), 'WARM');
  assert.equal(temperatureOf(decayed(1, 4001, 1000)), 'COLD');
  assert.equal(temperatureOf(0), 'COLD');
});

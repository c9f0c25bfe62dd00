/** Every case against every configuration. One test per family, so that the whole log can be read. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONFIGURATIONS, type Configuration } from './configurations.js';
import { FAMILIES } from './families.js';
import { fullName, type Outcome } from './run-cases.js';

/** `npm test -- posix` with these in the environment runs a part: names contain the text. */
const { FAMILY = '', CONFIGURATION = '' } = process.env;

const known = new Set(FAMILIES.flatMap((family) => family.cases.map((c) => fullName(family, c))));

test('no two cases have the same name', () => {
  assert.equal(known.size, FAMILIES.flatMap(({ cases }) => cases).length);
});

for (const configuration of CONFIGURATIONS) {
  if (!configuration.name.includes(CONFIGURATION)) continue;
  test(`any program that works on ext4 works on: ${configuration.name}`, async (t) => {
    checkNames(configuration);
    const place = await configuration.open(t);
    for (const family of FAMILIES) {
      const count = family.cases.filter((one) => place.accepts(one)).length;
      if (count === 0 || !family.name.includes(FAMILY)) continue;
      await t.test(`${family.name}: ${count} cases`, async () => {
        const outcomes = await place.run(family);
        assert.equal(outcomes.length, count);
        judge(configuration, outcomes);
      });
    }
  });
}

function checkNames({ exceptions }: Configuration): void {
  const unknown = Object.keys(exceptions).filter((name) => !known.has(name));
  assert.deepEqual(unknown, [], 'exceptions for cases that do not exist');
}

function judge({ exceptions }: Configuration, outcomes: Outcome[]): void {
  const wrong = outcomes.flatMap(({ name, error }) => {
    const excepted = Object.hasOwn(exceptions, name);
    if (excepted && error === null) return [`${name}\n  holds, but is excepted`];
    return excepted || error === null ? [] : [`${name}\n  ${error}`];
  });
  assert.equal(wrong.length, 0, `${wrong.length} of ${outcomes.length}:\n${wrong.join('\n')}`);
}

describe('the suite itself', () => {
  const outcome = { name: 'rename: a file gets a new name', error: null };
  const configuration = { name: 'x', open: () => Promise.reject(new Error('not opened')) };

  test('a case that fails is seen', () => {
    const failed = [{ ...outcome, error: 'wrong' }];
    assert.throws(() => judge({ ...configuration, exceptions: {} }, failed), /1 of 1/);
  });

  test('an exception that is no longer needed is seen', () => {
    const exceptions = { [outcome.name]: 'reason' };
    assert.throws(() => judge({ ...configuration, exceptions }, [outcome]), /holds/);
  });
});

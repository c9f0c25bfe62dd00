/**
 * Fuzzes in a process of its own, so that a crash, a hang or an allocation without bounds is a finding and not
 * the end of the tests. Arguments: folder, seed, first round, rounds. What it is at is in the file `at`.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createChance } from '../random/randomness.js';
import { makeSubjects } from './fuzz-subjects.js';
import { checkHeader, modelFiles } from './header-properties.js';
import { mutate } from './pack-mutations.js';
import { checkMutant } from './pack-properties.js';
import { checkHostilePlan } from './plan-properties.js';

const ROUNDS_PER_SEED = 1e9;

const [directory, ...numbers] = process.argv.slice(2);
const [seed, first, rounds] = numbers.map(Number);
const subjects = await makeSubjects(directory, seed);
const models = modelFiles(createChance(seed));

for (let round = first; round < first + rounds; round++) {
  const chance = createChance(seed * ROUNDS_PER_SEED + round);
  const subject = chance.pick(subjects);
  const mutant = mutate(subject, chance, subjects);
  const at = `SEED=${seed} ROUND=${round}: ${subject.name}, ${mutant.said.join(', ')}`;
  writeFileSync(join(directory, 'at'), at);
  try {
    await checkMutant(directory, mutant, chance);
    await checkHostilePlan(join(directory, `${subject.name}.pack`), subject, chance);
    for (const model of models) await checkHeader(directory, model, chance);
  } catch (error) {
    assert.fail(`${at}\n${(error as Error).stack}`);
  }
}

/**
 * What is read from tiers as hostile input: damaged and forged packs, plans that no recipe gives, headers of model
 * files. SEED=n draws other ones, OPERATIONS=n is the number of rounds, ROUND=n does one of them again. Needs root.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../../scripts/lib/process.js';
import { smallFilesystem } from '../native/content-kit.js';
import { operations, timeoutMs } from '../random/randomness.js';
import { seed } from '../seed.js';

const child = fileURLToPath(new URL('fuzz-child.js', import.meta.url));
/** Far more than buffers, caches and Node take, far less than what lengths on disk can claim. */
const MEMORY = 1 << 30;
const ROUND = process.env['ROUND'];

test(
  `no bytes on a tier crash anything or give wrong data (SEED=${seed})`,
  { timeout: timeoutMs },
  async (context) => {
    const directory = smallFilesystem(context, '64m');
    const rounds = ROUND === undefined ? operations(1_000) : 1;
    const program = [process.execPath, child, directory, seed, ROUND ?? 0, rounds].map(String);
    const result = await run('prlimit', [`--data=${MEMORY}`, ...program], { timeoutMs });
    const at = join(directory, 'at');
    const where = existsSync(at) ? readFileSync(at, 'utf8') : 'before the first round';
    assert.equal(result.code, 0, `${where}\n${result.stderr}`);
  },
);

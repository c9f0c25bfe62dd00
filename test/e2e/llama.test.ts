/** The reason for all of it: llama.cpp loads a model by its path and says the same wherever it lies. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeGguf, shapeFor } from '../../scripts/fixtures/make-gguf.js';
import { checkout, exists, scenario } from './harness.js';
import { digestFile, MiB } from './content.js';
import { must } from '../../scripts/lib/process.js';

/** Installed by scripts/test. */
const LLAMA = join(checkout, '.cache/llama/node_modules/node-llama-cpp/dist/index.js');
const CHILD = fileURLToPath(new URL('llama-child.js', import.meta.url));
const MODEL = 'models/quantized/tiny/model.gguf';

async function generate(path: string): Promise<number[]> {
  assert.ok(await exists(LLAMA), 'node-llama-cpp is missing: npm test installs it');
  const env = { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true' };
  return JSON.parse(await must('node', [CHILD, LLAMA, path], { env })) as number[];
}

scenario('llama.cpp generates the same from plain, packed and promoted', {}, async (volume) => {
  const original = join(volume.root, 'model.gguf');
  makeGguf(original, shapeFor(48 * MiB), 7);
  const expected = await generate(original);
  assert.equal(expected.length, 24);
  const sum = await digestFile(original);

  await mkdir(volume.at('models/quantized/tiny'), { recursive: true });
  await must('cp', [original, volume.at(MODEL)]);
  assert.deepEqual(await generate(volume.at(MODEL)), expected);
  await volume.waitUntil(MODEL, { class: 'model', form: 'plain', tier: 'nvme' });

  await volume.demote(MODEL);
  assert.equal((await volume.where(MODEL)).form, 'packed');
  assert.deepEqual(await generate(volume.at(MODEL)), expected);
  assert.equal(await digestFile(volume.at(MODEL)), sum);

  await volume.promote(MODEL);
  assert.equal((await volume.where(MODEL)).form, 'plain');
  assert.deepEqual(await generate(volume.at(MODEL)), expected);
});

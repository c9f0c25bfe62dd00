/** This project itself, installed, compiled and tested on the mount. */
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout, scenario } from './harness.js';
import { must } from '../../scripts/lib/process.js';

const PARTS = ['package.json', 'package-lock.json', 'tsconfig.json', 'src', 'test', 'scripts'];
/** Folders of tests that mount nothing. */
const TESTS = ['policy', 'config', 'namespace'];

/** npm's own switches from the environment of this run are not for the inner one. */
function environment(temporary: string): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config|lifecycle|package)_|NODE_TEST_CONTEXT|NODE_OPTIONS)/.test(name),
  );
  return { ...Object.fromEntries(entries), TMPDIR: temporary };
}

async function runTests(
  root: string,
  env: NodeJS.ProcessEnv,
  tests: readonly string[],
): Promise<void> {
  const script = 'find "$@" -name "*.test.js" | xargs node --test --test-reporter=dot';
  const folders = tests.map((folder) => `dist/test/${folder}`);
  await must('bash', ['-euo', 'pipefail', '-c', script, 'bash', ...folders], {
    cwd: root,
    env,
    timeoutMs: 240_000,
  });
}

scenario(
  'npm ci, the compiler and the unit tests of this project work, plain and packed',
  { mount: ['settle=300ms'], timeoutMs: 500_000 },
  async (volume) => {
    const root = volume.at('project');
    const temporary = volume.at('tmp');
    await mkdir(temporary);
    await mkdir(join(root, 'native/build/Release'), { recursive: true });
    await must('cp', ['-r', ...PARTS.map((part) => join(checkout, part)), root]);
    const addon = 'native/build/Release/coral_reef.node';
    await must('cp', [join(checkout, addon), join(root, addon)]);
    const env = environment(temporary);
    const npm = ['ci', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    await must('npm', npm, { cwd: root, env, timeoutMs: 240_000 });
    await access(join(root, 'node_modules/.bin/tsc'));
    await must('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
      cwd: root,
      env,
      timeoutMs: 240_000,
    });
    await runTests(root, env, TESTS);
    for (const part of ['dist/src', 'node_modules/lmdb', 'node_modules/xxhash-addon']) {
      await volume.demote(`project/${part}`);
    }
    await runTests(root, env, ['policy', 'namespace/entries.test.js']);
  },
);

/** What a command loads before it runs: people wait for it each time. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Modules that `file` (a URL) imports statically, through all of ours; Node's own are left out. */
function loaded(file: URL, found = new Set<string>()): Set<string> {
  if (found.has(file.href)) return found;
  found.add(file.href);
  const text = readFileSync(file, 'utf8');
  for (const [, name] of text.matchAll(/^(?:import|export) .*?from '([^']+)';$/gms)) {
    if (name.startsWith('.')) loaded(new URL(name, file), found);
    else if (!name.startsWith('node:')) found.add(name);
  }
  return found;
}

const source = new URL('../../src/', import.meta.url);
const packages = (...files: string[]) =>
  files
    .flatMap((file) => [...loaded(new URL(file, source))])
    .filter((name) => !/^file:/.test(name));

test('a command that asks a daemon, and mount itself, wait for no library to load', () => {
  const verbs = [
    'where',
    'status',
    'explain',
    'export',
    'import',
    'move',
    'pin',
    'gc',
    'policy',
    'mount',
    'unmount',
  ];
  assert.deepEqual(packages('main.js', ...verbs.map((name) => `cli/${name}.js`)), []);
  assert.deepEqual(packages('daemon/launch.js', 'daemon/mount-request.js'), []);
});

test('what looks for libraries finds those of the daemon', () => {
  const found = packages('daemon/daemon.js');
  assert.ok(found.includes('xxhash-addon'), found.join());
  assert.ok(!found.includes('yaml') && !found.includes('zod'), 'loaded where a file has rules');
});

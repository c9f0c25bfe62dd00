/** The forms in which the program is called: by people, by the fuse3 mount helper, by mount(8). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verbAndWords } from '../../src/cli/words.js';
import { ExitCode } from '../../src/config/errors.js';

const PROGRAM = '/usr/local/bin/coral-reef';
const HELPER = '/sbin/mount.coral-reef';

function mountWords(program: string, ...args: string[]): string[] {
  const { verb, words } = verbAndWords(program, args);
  assert.equal(verb, 'mount');
  return words;
}

test('people name a verb', () => {
  assert.deepEqual(verbAndWords(PROGRAM, ['where', '--json', '/x']), {
    verb: 'where',
    words: ['--json', '/x'],
  });
  for (const none of [[], ['--help'], ['-h']]) {
    assert.equal(verbAndWords(PROGRAM, none).verb, 'help');
  }
  assert.equal(verbAndWords(PROGRAM, ['--version']).verb, 'version');
});

test('a flag before the verb is not taken for a verb', () => {
  assert.throws(() => verbAndWords(PROGRAM, ['--json', 'status']), {
    message: '--json: the verb comes first, as in: coral-reef VERB --json ...',
    exitCode: ExitCode.usage,
  });
});

test('mount -t fuse.coral-reef: the helper of fuse3 names volume and mount point first', () => {
  assert.deepEqual(mountWords(PROGRAM, '/vol', '/mnt', '-o', 'rw,dev,suid,noatime'), [
    '/vol',
    '/mnt',
    '-o',
    'rw,dev,suid,noatime',
  ]);
});

test('mount -t coral-reef: every flag of the helper protocol is understood', () => {
  assert.deepEqual(mountWords(HELPER, '/vol', '/mnt', '-o', 'rw'), ['/vol', '/mnt', '-o', 'rw']);
  assert.deepEqual(mountWords(HELPER, '/vol', '/mnt', '-orw,noatime'), [
    '/vol',
    '/mnt',
    '-o',
    'rw,noatime',
  ]);
  assert.deepEqual(mountWords(HELPER, '-sfnv', '-t', 'coral-reef', '/vol', '/mnt'), [
    '--fake',
    '/vol',
    '/mnt',
  ]);
  assert.deepEqual(mountWords(HELPER, '/vol', '/mnt', '-r'), ['/vol', '/mnt', '-o', 'ro']);
  assert.deepEqual(mountWords(HELPER, '/vol', '/mnt', '-n', '-t', 'fuse.coral-reef', '-w'), [
    '/vol',
    '/mnt',
    '-o',
    'rw',
  ]);
});

test('what the helper can not do is refused instead of ignored', () => {
  const refused = { exitCode: ExitCode.usage };
  assert.throws(() => verbAndWords(HELPER, ['/vol', '/mnt', '-N', '/proc/1/ns/mnt']), refused);
  assert.throws(() => verbAndWords(HELPER, ['/vol', '/mnt', '-x']), refused);
});

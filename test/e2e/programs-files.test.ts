/** The tools people copy, archive, look and build with find on the mount what they find on ext4. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSparse, makeTree, RSYNC, sameForRsync } from './carried-tree.js';
import { scenario, type TestVolume } from './harness.js';
import { MiB, noise, put } from './content.js';
import { must, run, shell, waitFor } from '../../scripts/lib/process.js';

async function source(volume: TestVolume): Promise<string> {
  const path = join(volume.root, 'source');
  await makeTree(path);
  return path;
}

scenario('rsync brings a tree in and out with all it can carry', {}, async (volume) => {
  const from = await source(volume);
  await must('rsync', [...RSYNC, `${from}/`, `${volume.at('in')}/`]);
  await sameForRsync(from, volume.at('in'));
  await isSparse(volume.at('in/models/sparse'));
  await volume.demote('in');
  assert.equal((await volume.where('in/models/large.bin')).form, 'packed');
  await sameForRsync(from, volume.at('in'));
  await must('rsync', [...RSYNC, `${volume.at('in')}/`, join(volume.root, 'out/')]);
  await sameForRsync(from, join(volume.root, 'out'));
  await put(join(from, 'models/large.bin'), noise(3 * MiB, 9));
  await must('rsync', [...RSYNC, '--inplace', '--delete', `${from}/`, `${volume.at('in')}/`]);
  await sameForRsync(from, volume.at('in'));
});

scenario('cp -a and tar keep a tree what it is, plain and packed', {}, async (volume) => {
  const from = await source(volume);
  await must('cp', ['-a', from, volume.at('copy')]);
  await sameForRsync(from, volume.at('copy'));
  await isSparse(volume.at('copy/models/sparse'));
  const archive = join(volume.root, 'in.tar');
  const keep = [
    '--acls',
    '--xattrs',
    '--xattrs-include=*',
    '--sparse',
    '--numeric-owner',
    '--format=posix',
  ];
  await must('tar', [...keep, '-C', from, '-cf', archive, '.']);
  await mkdir(volume.at('untarred'));
  await must('tar', [...keep, '-C', volume.at('untarred'), '-xpf', archive]);
  await sameForRsync(from, volume.at('untarred'));

  await volume.demote('untarred');
  const again = volume.at('out.tar');
  await must('tar', [...keep, '-C', volume.at('untarred'), '-cf', again, '.']);
  await must('tar', [...keep, '-C', from, '-df', again]);
  await must('cp', ['-a', volume.at('untarred'), join(volume.root, 'out')]);
  await sameForRsync(from, join(volume.root, 'out'));
});

scenario('find and du see what is there', {}, async (volume) => {
  const from = await source(volume);
  await must('cp', ['-a', from, volume.at('tree')]);
  const questions = [
    ['.', '-type', 'f', '-size', '+20k', '-printf', '%p %s %n\\n'],
    ['.', '-type', 'f', '-newermt', '2100-01-01'],
    ['.', '-links', '+1', '-not', '-type', 'd', '-printf', '%p %n %i\\n'],
    ['.', '-perm', '/7000', '-printf', '%p %m\\n'],
    ['.', '-uid', '1234', '-printf', '%p %U:%G\\n'],
    ['.', '-empty', '-printf', '%y %p\\n'],
    ['.', '-samefile', 'hard'],
    ['.', '-printf', '%y %p %l %T@\\n'],
  ];
  const answers = async (root: string, question: string[]) => {
    const lines = (await must('find', question, { cwd: root })).split('\n').sort();
    return lines.map((line) =>
      question.includes('%p %n %i\\n') ? line.replace(/ \d+$/, '') : line,
    );
  };
  for (const question of questions) {
    assert.deepEqual(await answers(volume.at('tree'), question), await answers(from, question));
  }
  const files = ['--apparent-size', '--block-size=1', '-s', 'models', 'hard'];
  const apparent = await must('du', files, { cwd: from });
  const packed = (await must('du', files, { cwd: volume.at('tree') })).split('\t')[0];
  assert.equal(packed, apparent.split('\t')[0]);
  await must('find', [volume.at('tree'), '-delete']);
  assert.equal(await must('ls', ['-A', volume.mountpoint]), '');
});

/** A program of many files that include one another, and its Makefile. */
async function makeProgram(root: string, parts: number): Promise<void> {
  const names = Array.from({ length: parts }, (_, index) => `part${String(index)}`);
  for (const [index, name] of names.entries()) {
    await put(join(root, `${name}.h`), Buffer.from(`int ${name}(int x);\n`));
    const next = names[index + 1];
    const body = next === undefined ? 'x' : `${next}(x + 1)`;
    const include = next === undefined ? '' : `#include "${next}.h"\n`;
    const code = `#include "${name}.h"\n${include}int ${name}(int x) { return ${body}; }\n`;
    await writeFile(join(root, `${name}.c`), code);
  }
  const main =
    '#include <stdio.h>\n#include "part0.h"\nint main(void) { printf("%d\\n", part0(1)); }\n';
  await writeFile(join(root, 'main.c'), main);
  await writeFile(join(root, 'Makefile'), MAKEFILE);
}

const MAKEFILE = `
OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
CFLAGS := -O1 -g -MMD
program: libparts.a main.o
\t$(CC) -o $@ main.o -L. -lparts
libparts.a: $(filter-out main.o,$(OBJECTS))
\t$(AR) rcs $@ $^
clean:
\trm -f *.o *.d *.a program
-include *.d
`;

scenario('make -j builds, rebuilds what changed and nothing else', {}, async (volume) => {
  const root = volume.at('program');
  await makeProgram(root, 40);
  const make = (...args: string[]) => must('make', ['-C', root, ...args]);
  await make('-j4');
  assert.equal(await must(join(root, 'program'), []), '40\n');
  await make('-q');
  await must('touch', [join(root, 'part7.h')]);
  const rebuilt = [...(await make('-j4')).matchAll(/-c -o (\w+)\.o/g)].map(([, name]) => name);
  assert.deepEqual(rebuilt.sort(), ['part6', 'part7']);

  await volume.demote('program');
  await make('-q');
  assert.equal(await must(join(root, 'program'), []), '40\n');
  await make('clean');
  await make('-j4');
  assert.equal(await must(join(root, 'program'), []), '40\n');
  await volume.remount();
  await make('-q');
});

/** Events of a directory tree as lines, for as long as `during` takes. */
async function watched(root: string, during: () => Promise<void>, last: string): Promise<string[]> {
  const child = spawn('inotifywait', ['-m', '-r', '--format', '%e %w%f', root]);
  let out = '';
  let ready = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (ready += data.toString()));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    await waitFor('inotifywait watches', () => ready.includes('Watches established'));
    await during();
    await waitFor('the last event comes', () => out.includes(last));
  } finally {
    child.kill();
    await ended;
  }
  return out
    .trim()
    .split('\n')
    .map((line) => line.replace(`${root}/`, ''));
}

scenario('inotifywait tells of every change through the mount', {}, async (volume) => {
  const root = volume.at('watched');
  await put(join(root, 'packed'), noise(MiB));
  await volume.demote('watched/packed');
  const script = `
    cd "$1"
    echo one > plain
    echo two >> plain
    chmod 600 plain
    mv plain moved
    cat packed > /dev/null
    echo more >> packed
    truncate -s 5 packed
    ln moved linked
    rm moved
    mkdir folder
    rmdir folder
    touch last
  `;
  const lines = await watched(
    root,
    async () => {
      await shell(script, [root]);
    },
    'CLOSE_WRITE,CLOSE ' + join(root, 'last'),
  );
  for (const expected of [
    'CREATE plain',
    'MODIFY plain',
    'CLOSE_WRITE,CLOSE plain',
    'ATTRIB plain',
    'MOVED_FROM plain',
    'MOVED_TO moved',
    'OPEN packed',
    'ACCESS packed',
    'MODIFY packed',
    'CREATE linked',
    'DELETE moved',
    'CREATE,ISDIR folder',
    'DELETE,ISDIR folder',
  ]) {
    assert.ok(lines.includes(expected), `${expected} in\n${lines.join('\n')}`);
  }
  assert.equal((await run('pgrep', ['-f', `inotifywait.*${root}`])).stdout, '');
});

/** git as people use it: a repository with a history lives on the mount, also after it was packed away. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scenario, type TestVolume } from './harness.js';
import { prose } from './content.js';
import { must } from '../../scripts/lib/process.js';

const COMMITS = 120;
const FILES = 400;
const CHANGED = 12;

const PERSON = 'A Person <person@example.org>';
const ENVIRONMENT = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'A Person',
  GIT_AUTHOR_EMAIL: 'person@example.org',
  GIT_COMMITTER_NAME: 'A Person',
  GIT_COMMITTER_EMAIL: 'person@example.org',
};

function git(directory: string, ...args: string[]): Promise<string> {
  return must('git', ['-C', directory, ...args], { env: ENVIRONMENT, timeoutMs: 240_000 });
}

/** The stream of `git fast-import` for one commit that changes some files. */
function commitStream(number: number): string {
  const lines = [
    'commit refs/heads/main',
    `mark :${String(number + 1)}`,
    `committer ${PERSON} ${String(1_700_000_000 + number)} +0000`,
    data(`commit ${String(number)}`),
  ];
  const changed = number === 0 ? FILES : CHANGED;
  for (let index = 0; index < changed; index++) {
    const file = (number * 31 + index * 7) % FILES;
    const path = `src/part-${String(file % 23)}/file-${String(file)}.txt`;
    const text = prose(200 + ((number * 977 + index * 131) % 4000), number * FILES + index);
    lines.push(`M 100644 inline ${path}`, data(text.toString('latin1')));
  }
  lines.push(`reset refs/tags/v${String(number)}`, `from :${String(number + 1)}`, '');
  return lines.join('\n');
}

const data = (text: string): string => `data ${String(Buffer.byteLength(text))}\n${text}`;

async function makeRepository(path: string): Promise<void> {
  await must('git', ['init', '-q', '--bare', '-b', 'main', path], { env: ENVIRONMENT });
  const stream = Array.from({ length: COMMITS }, (_, number) => commitStream(number)).join('\n');
  writeFileSync(`${path}.stream`, stream);
  const script = 'git -C "$1" fast-import --quiet < "$1.stream"';
  await must('bash', ['-c', script, 'bash', path], { env: ENVIRONMENT });
}

/** The work tree is exactly what this version holds, and the object store is whole. */
async function isWhole(work: string, version: string): Promise<void> {
  assert.equal(await git(work, 'status', '--porcelain'), '');
  await git(work, 'diff', '--quiet', version);
  await git(work, 'fsck', '--full', '--strict', '--no-dangling');
}

async function checkOut(work: string, version: string): Promise<void> {
  await git(work, 'checkout', '-q', version);
  assert.equal(await git(work, 'status', '--porcelain'), '');
  await git(work, 'diff', '--quiet', version);
}

async function commitSomething(work: string, name: string, folder: string): Promise<void> {
  await git(work, 'checkout', '-q', '-b', name, 'main');
  await writeFile(join(work, `${name}.txt`), prose(5000, name.length));
  await git(work, 'mv', `src/${folder}`, `src/${name}`);
  await git(work, 'add', '-A');
  await git(work, 'commit', '-q', '-m', name);
  await isWhole(work, name);
}

async function packAway(volume: TestVolume, work: string): Promise<void> {
  await volume.demote('work');
  const pack = await must('find', [join(work, '.git/objects/pack'), '-name', '*.pack']);
  const below = pack.trim().slice(volume.mountpoint.length + 1);
  assert.equal((await volume.where(below)).form, 'packed');
}

scenario(
  'git clones, switches, collects garbage and checks, on plain and on packed files',
  { timeoutMs: 400_000 },
  async (volume) => {
    const origin = join(volume.root, 'origin.git');
    await makeRepository(origin);
    const work = volume.at('work');
    await must('git', ['clone', '-q', `file://${origin}`, work], { env: ENVIRONMENT });
    await isWhole(work, 'main');
    for (const version of ['v10', 'v90', 'main']) await checkOut(work, version);
    await commitSomething(work, 'one', 'part-1');
    await git(work, 'gc', '-q', '--prune=now');
    await isWhole(work, 'one');

    await packAway(volume, work);
    await isWhole(work, 'one');
    for (const version of ['v5', 'v77']) await checkOut(work, version);
    await commitSomething(work, 'other', 'part-2');
    await git(work, 'merge', '-q', '-m', 'both', 'one');
    await git(work, 'repack', '-q', '-a', '-d');
    await volume.remount();
    await isWhole(work, 'other');
    await git(work, 'push', '-q', 'origin', 'other');
    await git(origin, 'fsck', '--full');
  },
);

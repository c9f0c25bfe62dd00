/** A tree of files as people have it, and what makes two trees the same. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestVolume } from './harness.js';
import { MiB, noise, prose, put } from './content.js';
import { must } from '../../scripts/lib/process.js';

/** Nested, odd names, links, empty files, modes. */
async function makeTree(root: string): Promise<void> {
  await put(join(root, 'model/model.safetensors'), noise(5 * MiB + 17));
  await put(join(root, 'model/config.json'), Buffer.from('{"layers": 2}\n'));
  await put(join(root, 'docs/deep/er/notes.txt'), prose(200_001));
  await put(join(root, 'docs/empty'), Buffer.alloc(0));
  await put(join(root, 'docs/ümläut und raum'), Buffer.from('x'));
  await put(join(root, `docs/${'n'.repeat(255)}`), Buffer.from('long name'));
  await mkdir(join(root, 'docs/empty directory'));
  for (let index = 0; index < 300; index++) {
    await put(join(root, 'many', `file-${String(index)}`), Buffer.from(`content ${String(index)}`));
  }
  await must('ln', ['-s', '../model/config.json', join(root, 'docs/link')]);
  await must('ln', [join(root, 'model/config.json'), join(root, 'docs/hard')]);
  await must('chmod', ['640', join(root, 'docs/deep/er/notes.txt')]);
}

/** Makes the tree beside the mount and copies it to `tree` in it. @returns where the original is */
export async function copyIn(volume: TestVolume): Promise<string> {
  const source = join(volume.root, 'source');
  await makeTree(source);
  await must('cp', ['-a', source, volume.at('tree')]);
  return source;
}

/** Modes, owners, sizes, link counts and whole-second times. */
export async function sameListing(expected: string, actual: string): Promise<void> {
  const format = ['-printf', '%P %y %m %U %G %s %n %Ts %l\n'];
  const list = async (root: string) => {
    const text = await must('find', [root, '!', '-type', 'd', ...format]);
    return text.split('\n').sort().join('\n');
  };
  assert.equal(await list(actual), await list(expected));
}

/**
 * The generation of the namespace that a tier has files of, as it knows it: `<tier>/.coral-reef/generation.json`. A
 * namespace of an earlier generation is an older copy that somebody put in its place: the tier has files that it does not
 * know. Format: README.md here.
 */
import { readFile } from 'node:fs/promises';
import { writeDurably } from './durable-json.js';
import { treePath } from './marker.js';

const FORMAT = 1;

const generationPath = (directory: string): string => `${treePath(directory)}/generation.json`;

/** 0 where none was noted, or what is there can't be read. */
export async function notedGeneration(directory: string): Promise<number> {
  try {
    const text = await readFile(generationPath(directory), 'utf8');
    const { format, generation } = JSON.parse(text) as Record<string, unknown>;
    return format === FORMAT && Number.isSafeInteger(generation) ? Number(generation) : 0;
  } catch {
    return 0;
  }
}

/** Durably. @throws of the file system (ENOSPC ...) */
export async function noteGeneration(directory: string, generation: number): Promise<void> {
  await writeDurably(generationPath(directory), { format: FORMAT, generation }, 0o600);
}

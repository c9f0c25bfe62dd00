/** The version in package.json, two levels above the compiled file's `src`. */
import { readFileSync } from 'node:fs';

export const VERSION: string = readVersion();

function readVersion(): string {
  for (const candidate of ['../../../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'unknown';
}

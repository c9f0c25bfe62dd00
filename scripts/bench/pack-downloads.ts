/** Packages whose files are inputs of benchmarks: fetched once, by the ordinary clients, then unpacked. */
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from '../lib/process.js';

const LONG = { timeoutMs: 3_600_000 };

/** Where packages are kept from run to run. */
export interface Cache {
  /** Unpacks `NAME@VERSION` of npm into a new folder `target`. */
  npm(spec: string, target: string): Promise<void>;
  /** Unpacks a package of Debian into a new folder `target`. */
  debian(name: string, target: string): Promise<void>;
}

export function openCache(directory: string): Cache {
  return {
    async npm(spec, target) {
      const archive = await cached(directory, spec, (into) =>
        must('npm', ['pack', '--ignore-scripts', '--silent', spec], { ...LONG, cwd: into }),
      );
      await mkdir(target, { recursive: true });
      await must('tar', ['-xzf', archive, '-C', target, '--strip-components=1'], LONG);
    },
    async debian(name, target) {
      const archive = await cached(directory, name, (into) =>
        must('apt-get', ['download', '-q', name], { ...LONG, cwd: into }),
      );
      await must('dpkg-deb', ['--extract', archive, target], LONG);
    },
  };
}

/** A package is fetched into a folder of its own, which gets its name only when it is complete. */
async function cached(
  directory: string,
  name: string,
  fetchInto: (into: string) => Promise<unknown>,
): Promise<string> {
  await mkdir(directory, { recursive: true });
  const kept = join(directory, name.replaceAll('/', '-'));
  const existing = await readdir(kept).catch(() => []);
  if (existing.length === 1) return join(kept, existing[0]);
  const into = await mkdtemp(join(directory, 'incomplete-'));
  try {
    await fetchInto(into);
    const [file] = await readdir(into);
    if (file === undefined) throw new Error(`${name}: nothing was downloaded`);
    await rename(into, kept);
    return join(kept, file);
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

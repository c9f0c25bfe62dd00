/**
 * Reads the kernel's mount table, to find out what a directory lies on before anything touches it:
 * a tier must never lie on a Coral Reef mount (the daemon would wait for itself).
 */
import { readFile } from 'node:fs/promises';

export interface MountEntry {
  mountpoint: string;
  fstype: string;
  /** The device number, `MAJ:MIN`. */
  device: string;
  readOnly: boolean;
}

export async function readMounts(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'latin1'));
}

/** Format: proc_pid_mountinfo(5). Fields after a lone `-` are: type, source, super options. */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash < 0) continue;
    entries.push({
      mountpoint: unescapeOctal(fields[4]),
      fstype: fields[dash + 1],
      device: fields[2],
      readOnly: fields[5].split(',').includes('ro'),
    });
  }
  return entries;
}

/** The mount that an absolute, normalized path lies on. Later lines cover earlier ones. */
export function mountOf(path: string, mounts: readonly MountEntry[]): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const entry of mounts) {
    if (!isInside(path, entry.mountpoint)) continue;
    if (!best || entry.mountpoint.length >= best.mountpoint.length) best = entry;
  }
  return best;
}

/** True where `path` is `directory` or lies below it. Both absolute and normalized. */
export function isInside(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/** True for a mount that a Coral Reef daemon serves. */
export function isCoralReef(entry: MountEntry | undefined): boolean {
  return entry?.fstype === 'fuse.coral-reef';
}

function unescapeOctal(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

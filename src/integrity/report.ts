/** What a check found, and how a check of a volume in use keeps from crying wolf. */
import { CoralError, ExitCode } from '../config/errors.js';
import type { ContentStore } from '../content/types.js';
import type { Namespace } from '../namespace/types.js';
import type { CopyControl } from '../native.js';
import type { Store } from '../store/types.js';
import type { TierSet } from '../tiers/types.js';

export interface Problem {
  /** The kind, from a closed list; see README.md here. */
  what: string;
  /** What it is about: `inode 12 (/a/b)`, `pack 7`, `tier nvme`. */
  subject: string;
  /** One line. */
  detail: string;
  /** What mends it, one line. */
  repair: string;
}

export interface Checked {
  inodes: number;
  entries: number;
  recipes: number;
  chunks: number;
  packs: number;
  backingFiles: number;
}

export interface FsckReport {
  checked: Checked;
  /** Damaged chunks and hot copies that were found and are good now. */
  healed: number;
  problems: Problem[];
}

/** A volume to check. It may be in use, by this process only. */
export interface CheckDeps {
  store: Store;
  namespace: Namespace;
  tiers: TierSet;
  content: ContentStore;
  /** Whether a move of the file is under way: what it replaces is there until it has ended. */
  isMoving?: (ino: number) => boolean;
  /**
   * Has the packed form of a file take the place of its plain copy, where nobody has that open. @returns whether it did.
   * Without it damage is only reported.
   */
  dropHotCopy?: (ino: number) => Promise<boolean>;
  /** Cancelled when the volume is to be closed. */
  stopping?: CopyControl;
}

/** After each step on a medium: from then on nothing may be looked at. @throws CoralError */
export function checkRunning({ stopping }: CheckDeps): void {
  if (stopping?.cancelled) throw new CoralError(ExitCode.failed, 'the volume is being unmounted');
}

/** Tells how far a check is. */
export type CheckProgress = (value: { done: number; total: number }) => void;

/** Collects one round of a check. */
export interface Findings {
  readonly checked: Checked;
  report(problem: Problem): void;
}

export type Check = (deps: CheckDeps, findings: Findings) => Promise<void>;

/**
 * Runs a check; where it finds something, runs it again after a commit and keeps what it finds word for
 * word in both rounds. What a running operation had half done is not there the second time.
 */
export async function runCheck(check: Check, deps: CheckDeps, report: FsckReport): Promise<void> {
  const first = await runOnce(check, deps);
  let { problems } = first;
  if (problems.length > 0) {
    await deps.store.commit();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const again = new Set((await runOnce(check, deps)).problems.map(identity));
    problems = problems.filter((problem) => again.has(identity(problem)));
  }
  for (const key of Object.keys(first.checked) as (keyof Checked)[]) {
    report.checked[key] += first.checked[key];
  }
  report.problems.push(...problems);
}

/** Time for operations under way to end. */
const SETTLE_MS = 100;

async function runOnce(
  check: Check,
  deps: CheckDeps,
): Promise<Pick<FsckReport, 'checked' | 'problems'>> {
  const problems: Problem[] = [];
  const checked = nothingChecked();
  const report = (problem: Problem): void => void problems.push(problem);
  try {
    await check(deps, { checked, report });
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    const repair = 'restore the namespace from a copy on another tier';
    report({ what: 'unreadable', subject: 'namespace', detail, repair });
  }
  return { checked, problems };
}

/** Equal for what two checks say of the same thing. */
export function identity({ what, subject, detail }: Problem): string {
  return `${what}\n${subject}\n${detail}`;
}

export function nothingChecked(): Checked {
  return { inodes: 0, entries: 0, recipes: 0, chunks: 0, packs: 0, backingFiles: 0 };
}

/** `inode 12 (/a/b)`. */
export function nameInode(namespace: Namespace, ino: number): string {
  const path = namespace.pathOf(ino);
  return path === undefined ? `inode ${ino}` : `inode ${ino} (${decodeName(path)})`;
}

/** Names are bytes; for people they are shown as UTF-8. */
export function decodeName(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

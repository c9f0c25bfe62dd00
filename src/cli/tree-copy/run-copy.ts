/** Runs `export` and `import`: with signals, a progress bar, and all durable at the end. */
import { CoralError, ExitCode, reasonOf } from '../../config/errors.js';
import { shown } from '../../config/mountinfo.js';
import { formatSize } from '../../config/units.js';
import type { CopyDocument } from '../../daemon/documents.js';
import type { Output } from '../output.js';
import type { Carrier } from './carrier.js';
import { Durability } from './durability.js';
import type { CopyTarget, Entry } from './entry.js';
import { TreeCopy } from './tree-copy.js';
import { countInto } from './walk.js';

const PROGRESS_MS = 200;

/** @returns `failed` where some files could not be copied. @throws CoralError */
export async function runCopy(
  output: Output,
  to: CopyTarget,
  roots: readonly Entry[],
  carrier: Carrier,
): Promise<ExitCode> {
  const writes = new Durability(to);
  const copy = new TreeCopy(
    to,
    carrier,
    (bytes) => writes.wrote(bytes),
    ({ error }) => output.say(`coral-reef: ${error}`),
  );
  try {
    await whileWatched(copy, carrier, roots, output, async () => {
      try {
        await copy.run(roots);
      } finally {
        // Also of one that was stopped: what is skipped when it is repeated must be there for good.
        await makeDurable(to, writes);
      }
    });
  } finally {
    await writes.close();
  }
  output.result(documentOf(roots, to, copy), (document) => [line(document, to)]);
  if (!copy.keptAll) {
    const where = shown(to.directory.source);
    output.say(`coral-reef: ${where}: its filesystem can't store some of the extended attributes`);
  }
  return copy.failed.length === 0 ? ExitCode.done : ExitCode.failed;
}

/** A signal ends it in order; the second one at once. */
async function whileWatched(
  copy: TreeCopy,
  carrier: Carrier,
  roots: readonly Entry[],
  output: Output,
  work: () => Promise<void>,
): Promise<void> {
  const stop = () => copy.stop('stopped', 'To go on,');
  const endProgress = showProgress(copy, carrier, roots, output);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work();
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    endProgress();
  }
}

function showProgress(
  copy: TreeCopy,
  carrier: Carrier,
  roots: readonly Entry[],
  output: Output,
): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  const totals = { bytes: 0, files: 0, complete: false };
  let ended = false;
  void countInto(totals, roots, () => ended);
  const timer = setInterval(() => {
    const bytes = carrier.bytes + copy.skippedBytes;
    const files = copy.done.files + copy.done.skipped + copy.failed.length;
    const more = totals.complete ? '' : '+';
    const amount = `${formatSize(bytes)} of ${formatSize(totals.bytes)}${more}`;
    const share = totals.complete ? bytes / Math.max(1, totals.bytes) : 0;
    output.progress(share, `${amount}, ${files}/${totals.files}${more} files`);
  }, PROGRESS_MS);
  return () => {
    ended = true;
    clearInterval(timer);
    output.endProgress();
  };
}

async function makeDurable({ directory, verb }: CopyTarget, writes: Durability): Promise<void> {
  try {
    await writes.end();
  } catch (error) {
    const where = shown(directory.source);
    throw new CoralError(
      ExitCode.failed,
      `${where}: what was ${verb}ed could not be made durable: ${reasonOf(error)}. ` +
        `Look at its disk, and ${verb} to another one`,
      { cause: error },
    );
  }
}

function documentOf(
  roots: readonly Entry[],
  to: CopyTarget,
  { done, failed }: TreeCopy,
): CopyDocument {
  const paths = roots.map(({ source }) => shown(source));
  return { paths, directory: shown(to.directory.source), ...done, failed };
}

function line(document: CopyDocument, { verb }: CopyTarget): string {
  const { files, bytes, directory, skipped, failed } = document;
  const what = `${files} file${files === 1 ? '' : 's'}`;
  const same = skipped > 0 ? `, ${skipped} there already` : '';
  const not = failed.length > 0 ? `, ${failed.length} failed` : '';
  return `${directory}: ${what} (${formatSize(bytes)}) ${verb}ed${same}${not}`;
}

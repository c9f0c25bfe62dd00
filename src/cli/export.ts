/** `export`: get files out of a mounted volume, several at once. */
import { open } from 'node:fs/promises';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { shown } from '../config/mountinfo.js';
import { formatSize } from '../config/units.js';
import type { ExportDocument } from '../daemon/documents.js';
import type { Entry } from './exporting/entry.js';
import type { Exporting, ExportTarget } from './exporting/exporting.js';
import type { Output } from './output.js';
import type { Invocation, Verb } from './verb.js';

const PROGRESS_MS = 200;

export const exportVerb: Verb = {
  name: 'export',
  usage: 'PATH... DIR',
  summary: 'copy files and folders out to DIR, several at once, faster than cp',
  details: [
    'Keeps what cp -a keeps: modes, owners, times, links, holes, extended attributes and ACLs.',
    'Nothing that exists is replaced. What is the same already (type, size and time) is skipped, so an',
    'export that was stopped is finished by repeating it. Each file appears when it is whole, and when',
    'the command returns everything is durable. FOLDER/. stands for what is in FOLDER.',
    'A file that fails is named and the others go on; exit code 1 then.',
  ],
  flags: {},
  arity: [2, Infinity],
  run: runExport,
};

async function runExport(invocation: Invocation): Promise<ExitCode> {
  const { positionals, output } = invocation;
  const paths = positionals.slice(0, -1);
  const { native } = await import('../native.js');
  const { exportRoots, exportTarget } = await import('./exporting/places.js');
  const { Exporting: Job } = await import('./exporting/exporting.js');
  const to = await exportTarget(positionals[paths.length]);
  const roots = await exportRoots(paths, to);
  const job = new Job(to, ({ error }) => output.say(`coral-reef: ${error}`));
  await whileWatched(job, roots, output, async () => {
    await job.run(roots);
    await makeDurable(to, (path) => native.syncFilesystem(path));
  });
  output.result(documentOf(roots, to, job), (document) => [line(document)]);
  if (!job.keptAll) {
    const where = shown(to.directory.source);
    output.say(`coral-reef: ${where}: its filesystem can't store some of the extended attributes`);
  }
  return job.failed.length === 0 ? ExitCode.done : ExitCode.failed;
}

/** A signal ends it in order; the second one at once. */
async function whileWatched(
  job: Exporting,
  roots: readonly Entry[],
  output: Output,
  work: () => Promise<void>,
): Promise<void> {
  const stop = () => job.stop('stopped', 'To go on,');
  const endProgress = await showProgress(job, roots, output);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work();
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    endProgress();
  }
}

async function showProgress(
  job: Exporting,
  roots: readonly Entry[],
  output: Output,
): Promise<() => void> {
  if (!process.stderr.isTTY) return () => undefined;
  const { countInto } = await import('./exporting/walk.js');
  const totals = { bytes: 0, files: 0, complete: false };
  let ended = false;
  void countInto(totals, roots, () => ended);
  const timer = setInterval(() => {
    const bytes = job.control.done + job.skippedBytes;
    const files = job.done.files + job.done.skipped + job.failed.length;
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

/** `sync` is syncfs of what a path leads to. */
async function makeDurable(
  { directory, flush }: ExportTarget,
  sync: (path: string) => Promise<void>,
): Promise<void> {
  const path = Buffer.from(directory.source, 'latin1');
  try {
    const handle = await open(path, 'r');
    try {
      if (flush) await handle.sync();
      // By descriptor: its name need not be UTF-8.
      else await sync(`/proc/self/fd/${handle.fd}`);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const where = shown(directory.source);
    throw new CoralError(
      ExitCode.failed,
      `${where}: what was exported could not be made durable: ${reasonOf(error)}. ` +
        'Look at its disk, and export to another one',
      { cause: error },
    );
  }
}

function documentOf(
  roots: readonly Entry[],
  to: ExportTarget,
  { done, failed }: Exporting,
): ExportDocument {
  const paths = roots.map(({ source }) => shown(source));
  return { paths, directory: shown(to.directory.source), ...done, failed };
}

function line(document: ExportDocument): string {
  const { files, bytes, directory, skipped, failed } = document;
  const what = `${files} file${files === 1 ? '' : 's'}`;
  const same = skipped > 0 ? `, ${skipped} there already` : '';
  const not = failed.length > 0 ? `, ${failed.length} failed` : '';
  return `${directory}: ${what} (${formatSize(bytes)}) exported${same}${not}`;
}

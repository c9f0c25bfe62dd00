/** Figures of the pack benchmark as tables: an input in each row, a subject in each column. */
import { median, toMarkdown, type Row } from './report.js';
import { peersOf, SUBJECTS, type SubjectName } from './pack-subjects.js';

/** What one subject did with one input. */
export interface Sample {
  writeSeconds: number;
  storedBytes: number;
  restoreSeconds: number;
}

interface Measure {
  name: string;
  unit: string;
  value(sample: Sample, inputBytes: number): number;
  /** Of several values the one that users would want. */
  best(values: number[]): number;
  format(value: number, inputBytes: number): string;
}

const MB = 1e6;
const fixed = (value: number) => value.toFixed(value < 10 ? 1 : 0);

const MEASURES: readonly Measure[] = [
  {
    name: 'write',
    unit: 'MB/s',
    value: ({ writeSeconds }, bytes) => bytes / MB / writeSeconds,
    best: (values) => Math.max(...values),
    format: fixed,
  },
  {
    name: 'stored',
    unit: 'bytes',
    value: ({ storedBytes }) => storedBytes,
    best: (values) => Math.min(...values),
    format: (value, bytes) => `${((100 * value) / bytes).toFixed(1)}% ${fixed(value / MB)} MB`,
  },
  {
    name: 'restore',
    unit: 'MB/s',
    value: ({ restoreSeconds }, bytes) => bytes / MB / restoreSeconds,
    best: (values) => Math.max(...values),
    format: fixed,
  },
];

/** Samples of one input by subject. */
export interface InputResult {
  input: string;
  bytes: number;
  files: number;
  samples: Partial<Record<SubjectName, Sample[]>>;
}

/** For JSON: a row for each measure of each input. */
export function toRows(results: readonly InputResult[]): Row[] {
  return results.flatMap((result) => MEASURES.map((measure) => rowOf(result, measure)));
}

function rowOf({ input, bytes, files, samples }: InputResult, measure: Measure): Row {
  const { name, unit, value } = measure;
  const labels = { input, bytes: String(bytes), files: String(files), measure: name, unit };
  const bySubject = Object.entries(samples).map(([subject, list]) => [
    subject,
    list.map((sample) => value(sample, bytes)),
  ]);
  return { labels, samples: Object.fromEntries(bySubject) as Row['samples'] };
}

/** A table for each measure. */
export function toTables(
  results: readonly InputResult[],
  subjects: readonly SubjectName[],
): string {
  return MEASURES.map((measure) => {
    const header = ['input', 'files', 'MB', ...subjects];
    const lines = results.map((result) => lineOf(result, measure, subjects));
    const unit = measure.unit === 'bytes' ? '% of the input' : measure.unit;
    return `${measure.name}, ${unit}\n\n${toMarkdown(header, lines)}`;
  }).join('\n\n');
}

function lineOf(result: InputResult, measure: Measure, subjects: readonly SubjectName[]): string[] {
  const { samples } = rowOf(result, measure);
  const medians = new Map(Object.entries(samples).map(([name, list]) => [name, median(list)]));
  const cells = subjects.map((subject) => {
    const value = medians.get(subject)!;
    const text = measure.format(value, result.bytes);
    const ratio = ratioToPeers(subject, measure, medians);
    return ratio === null ? text : `${text} (${ratio.toFixed(2)})`;
  });
  return [result.input, String(result.files), fixed(result.bytes / MB), ...cells];
}

/** Of a figure of ours to the best peer's; null where there is none. */
function ratioToPeers(
  subject: SubjectName,
  measure: Measure,
  medians: ReadonlyMap<string, number>,
): number | null {
  if (!SUBJECTS[subject].ours) return null;
  const peers = peersOf(subject).flatMap((peer) => medians.get(peer) ?? []);
  return peers.length === 0 ? null : medians.get(subject)! / measure.best(peers);
}

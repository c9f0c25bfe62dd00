/** Results of a benchmark: medians, ratios to the raw filesystem, as a table or as JSON. */
import { cpus, release, totalmem } from 'node:os';

export interface Row {
  /** What was measured, and how: one text per label column. */
  labels: Record<string, string>;
  /** Samples by subject, in the order they were taken. */
  samples: Record<string, number[]>;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function machine(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}

export function toJson(rows: readonly Row[], settings: object): string {
  const results = rows.map((row) => ({
    ...row,
    median: Object.fromEntries(Object.entries(row.samples).map(([name, s]) => [name, median(s)])),
  }));
  return JSON.stringify({ machine: machine(), settings, results }, null, 2);
}

/** A Markdown table: the raw figure, then each subject with its ratio to it. Rows have the same labels. */
export function toTable(rows: readonly Row[], subjects: readonly string[]): string {
  const header = [...Object.keys(rows[0]?.labels ?? {}), ...subjects];
  const lines = rows.map((row) => [...Object.values(row.labels), ...cells(row, subjects)]);
  return toMarkdown(header, lines);
}

export function toMarkdown(header: readonly string[], lines: readonly string[][]): string {
  const all = [header, header.map(() => '---'), ...lines];
  const widths = header.map((_, column) => Math.max(...all.map((line) => line[column].length)));
  return all
    .map((line) => `| ${line.map((cell, i) => padCell(cell, widths[i])).join(' | ')} |`)
    .join('\n');
}

function padCell(cell: string, width: number): string {
  return cell === '---' ? '-'.repeat(width) : cell.padEnd(width);
}

function cells(row: Row, subjects: readonly string[]): string[] {
  const raw = row.samples['raw'] === undefined ? undefined : median(row.samples['raw']);
  return subjects.map((name) => {
    const samples = row.samples[name];
    if (samples === undefined || samples.length === 0) return '';
    const value = median(samples);
    if (name === 'raw' || raw === undefined) return value.toFixed(0);
    return `${value.toFixed(0)} (${(value / raw).toFixed(2)})`;
  });
}

/**
 * The YAML file: the same settings as the mount options, and the rules.
 *
 *     policy: balanced
 *     cold-after: 12h
 *     nvme: { high: 90 }             # or nvme.high: 90
 *     compress: [auto, "hdd:zstd:9"]
 *     rules: [...]
 */
import { readFileSync } from 'node:fs';
import { LineCounter, isMap, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import { CoralError, ExitCode, reasonOf, usageError } from './errors.js';
import type { OptionWord } from './option-words.js';
import type { Rule } from './rule.js';
import { didYouMean } from './suggest.js';

export interface ConfigFile {
  words: OptionWord[];
  rules: Rule[];
}

/** What schemas of rules ask for, in words. */
const EXPECTED: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'words with values, such as path: models/**',
  string: 'text',
};

/**
 * `remedy` is what to do where it can't be read.
 * @throws CoralError naming file, line, what is wrong and what is allowed.
 */
export async function readConfigFile(
  path: string,
  remedy = 'Correct config=FILE',
): Promise<ConfigFile> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CoralError(
      ExitCode.usage,
      `${path}: the configuration can't be read: ${reasonOf(error)}. ${remedy}`,
      { cause: error },
    );
  }
  return parseConfigFile(text, path);
}

export async function parseConfigFile(text: string, path: string): Promise<ConfigFile> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const error = document.errors[0];
  if (error !== undefined) {
    throw usageError(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n', 1)[0]}`);
  }
  return new Reader(document, path, lines).read();
}

/** Walks one document; keeps what messages need: the file's name and where each node stands. */
class Reader {
  constructor(
    private readonly document: Document,
    private readonly path: string,
    private readonly lines: LineCounter,
  ) {}

  async read(): Promise<ConfigFile> {
    const root = this.document.contents as Node | null;
    if (root === null) return { words: [], rules: [] };
    if (!isMap(root)) throw usageError(`${this.path}: expected settings as "name: value" lines`);
    const words: OptionWord[] = [];
    for (const pair of root.items) {
      const name = String(isScalar(pair.key) ? pair.key.value : pair.key);
      if (name !== 'rules') this.collect(name, pair.value as Node | null, words);
    }
    return { words, rules: await this.rules() };
  }

  private collect(name: string, node: Node | null, words: OptionWord[]): void {
    if (isMap(node)) {
      for (const pair of node.items) {
        const inner = String(isScalar(pair.key) ? pair.key.value : pair.key);
        this.collect(`${name}.${inner}`, pair.value as Node | null, words);
      }
    } else if (isSeq(node)) {
      if (name !== 'compress') throw usageError(`${this.where(node)}: ${name} takes one value`);
      for (const item of node.items) this.collect(name, item as Node, words);
    } else if (name !== 'config') {
      const value = isScalar(node) ? String(node.value ?? '') : '';
      words.push({ name, value, origin: `${this.where(node)}: ${name}: ${value}` });
    } else {
      throw usageError(`${this.where(node)}: a configuration file can't name another one`);
    }
  }

  /** Their schema is loaded where there are some. */
  private async rules(): Promise<Rule[]> {
    const plain = (this.document.toJS() as { rules?: unknown }).rules ?? [];
    if (Array.isArray(plain) && plain.length === 0) return [];
    const { RULE_WORDS, rulesSchema } = await import('./rules.js');
    const result = rulesSchema.safeParse(plain);
    if (result.success) return result.data;
    throw this.wrongRule(result.error.issues[0], RULE_WORDS);
  }

  private wrongRule(issue: z.core.$ZodIssue, known: readonly string[]): Error {
    const path = ['rules', ...issue.path] as (string | number)[];
    const place = path
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
      .join('');
    const node = this.document.getIn(path, true) as Node | undefined;
    const text = node === undefined ? 'it is missing' : issueText(issue, node, known);
    return usageError(`${this.where(this.nearest(path))}: ${place.slice(1)}: ${text}`);
  }

  /** The node at a path, or where it would have to be. */
  private nearest(path: (string | number)[]): Node | null {
    for (let depth = path.length; depth > 0; depth -= 1) {
      const node = this.document.getIn(path.slice(0, depth), true) as Node | undefined;
      if (node !== undefined) return node;
    }
    return null;
  }

  private where(node: Node | null): string {
    const offset = node?.range?.[0];
    return offset === undefined ? this.path : `${this.path}:${this.lines.linePos(offset).line}`;
  }
}

function issueText(issue: z.core.$ZodIssue, node: Node, known: readonly string[]): string {
  const given = isScalar(node) ? `"${String(node.value)}" is not allowed. ` : '';
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0];
    return `unknown word "${key}"${didYouMean(key, known)}`;
  }
  if (issue.code === 'invalid_value') return `${given}Allowed: ${issue.values.join(', ')}`;
  if (issue.code === 'custom') return `${given}Allowed: ${issue.message}`;
  if (issue.code === 'invalid_type') {
    return `${given}Expected ${EXPECTED[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'invalid_union') return `${given}Expected a size`;
  return `${given}${issue.message}`;
}

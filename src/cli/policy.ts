/** `policy`: show what decides on a mounted volume, or check a file of settings and rules. */
import { resolve } from 'node:path';
import { ExitCode, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { formatCodec } from '../config/codec.js';
import { formatDuration, formatSize } from '../config/units.js';
import type { PolicyDocument } from '../daemon/documents.js';
import { askMount } from './requests.js';
import { rulesText } from './rules-text.js';
import type { Invocation, Verb } from './verb.js';

export const policyVerb: Verb = {
  name: 'policy',
  usage: 'show [MOUNTPOINT] | check FILE',
  summary: 'what decides where files go; or check a YAML file before using it',
  flags: {},
  arity: [1, 2],
  async run(invocation) {
    const [action, argument] = invocation.positionals;
    if (action === 'show') return show(invocation, argument);
    if (action === 'check' && argument !== undefined) return check(invocation, argument);
    if (action === 'check') throw usageError('policy check: name the FILE to check');
    const hint = didYouMean(action, ['show', 'check']) || '.';
    throw usageError(`policy: "${action}" is not allowed${hint} Allowed: show, check FILE`);
  },
};

async function show({ output }: Invocation, mountpoint?: string): Promise<ExitCode> {
  const document = await askMount<PolicyDocument>(mountpoint, 'policy');
  const rules = output.json ? [] : await rulesText(document.settings.rules);
  output.result(document, ({ settings }) => [...settingLines(settings), '', ...ruleLines(rules)]);
  return ExitCode.done;
}

/** What the daemon would do at mount, without tiers: those are known only there. */
async function check({ output }: Invocation, file: string): Promise<ExitCode> {
  const { readConfigFile } = await import('../config/config-file.js');
  const { loadSettings, ruleTiers } = await import('../config/settings.js');
  const path = resolve(file);
  const { rules } = await readConfigFile(path, 'Name the file to check');
  const escaped = path.replace(/[\\,]/g, '\\$&');
  await loadSettings({
    options: [`config=${escaped}`],
    environment: {},
    defaultConfigFile: null,
    isRoot: true,
  });
  const tiers = [...new Set(ruleTiers(rules).map(([name]) => name))];
  output.result({ file: path, valid: true, rules: rules.length, tiers }, (result) => [
    `${result.file}: valid, ${result.rules} rule${result.rules === 1 ? '' : 's'}` +
      (tiers.length === 0 ? '' : `; the volume needs the tiers ${tiers.join(', ')}`),
  ]);
  return ExitCode.done;
}

function formatFragmentation(value: PolicyDocument['settings']['fragmentation']): string {
  return value === 'off' ? value : `${value}%`;
}

function settingLines(settings: PolicyDocument['settings']): string[] {
  const { watermarks } = settings;
  const perTier = Object.entries(settings.tierWatermarks).map(
    ([name, { high, low }]) => `, ${name} ${high}/${low}%`,
  );
  const rate =
    settings.migrateRate === null ? 'unlimited' : `${formatSize(settings.migrateRate)}/s`;
  const rows: [string, string][] = [
    ['policy', settings.policy],
    ['watermarks', `high ${watermarks.high}%, low ${watermarks.low}%${perTier.join('')}`],
    ['promote', settings.promote],
    ['settle', formatDuration(settings.settleMs)],
    ['cold-after', formatDuration(settings.coldAfterMs)],
    ['half-life', formatDuration(settings.halfLifeMs)],
    ['compress', formatCodec(settings.compress)],
    ['fragmentation', formatFragmentation(settings.fragmentation)],
    ['migrate-rate', rate],
    ['share', settings.share],
    ['config', settings.configFile ?? '-'],
  ];
  return rows.map(([name, text]) => `${name.padEnd(13)} ${text}`);
}

function ruleLines(rules: readonly string[]): string[] {
  if (rules.length === 0) return ['No rules: files go by the defaults.'];
  return [
    'Rules, the first that matches decides; what none matches goes by the defaults:',
    '',
    ...rules,
  ];
}

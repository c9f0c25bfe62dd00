/** The mount options for the help and the documentation, from the table that also reads them. */
import { STANDARD_NAMES } from '../config/mount-options.js';
import { OPTIONS, writtenForm, type OptionSpec } from '../config/option-table.js';

const WIDTH = 100;
const INDENT = '  ';

export function optionLines(): string[] {
  const specs: OptionSpec[] = Object.values(OPTIONS);
  const column = 28;
  const own = specs.flatMap((spec) => {
    const form = INDENT + writtenForm(spec);
    if (form.length < column) return [form.padEnd(column) + spec.help];
    return [form, ' '.repeat(column) + spec.help];
  });
  return [
    ...own,
    'Those of every filesystem:',
    ...wrap(STANDARD_NAMES.join(', ')),
    'The same settings come from the environment (cold-after is CORAL_REEF_COLD_AFTER, tier.nvme is',
    'CORAL_REEF_TIER_NVME) and from the YAML file. Order: command line, environment, file, default.',
  ];
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(' ')) {
    if (line.length + word.length > WIDTH - 2) {
      lines.push(line.trimEnd());
      line = INDENT;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}

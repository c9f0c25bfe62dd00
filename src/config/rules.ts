/** The schema of placement rules as they stand in YAML. */
import { z } from 'zod';
import { FILE_CLASSES } from './file-class.js';
import type { Rule } from './rule.js';
import { TIER_NAME_ALLOWED, isTierName } from './tier-name.js';
import { SIZE_ALLOWED, parseSize } from './units.js';

/** A schema from text to a value; `allowed` completes "Allowed: ..." in the message. */
function parsed<Value>(allowed: string, parse: (text: string) => Value | undefined) {
  return z.string().transform((text, context): Value => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: allowed, input: text });
    return z.NEVER;
  });
}

const size = z
  .union([z.number(), z.string()])
  .transform(String)
  .pipe(parsed(SIZE_ALLOWED, parseSize));
const tier = parsed(TIER_NAME_ALLOWED, (name) => (isTierName(name) ? name : undefined));
const glob = parsed('a glob below the mount, such as models/**', (text) =>
  text === '' ? undefined : text.replace(/^\/+/, ''),
);

export const ruleSchema: z.ZodType<Rule> = z.strictObject({
  match: z.strictObject({
    path: glob.optional(),
    class: z.enum(FILE_CLASSES).optional(),
    larger: size.optional(),
    smaller: size.optional(),
  }),
  place: z.strictObject({
    tier: tier.optional(),
    cold: tier.optional(),
    pack: z.enum(['auto', 'never']).optional(),
    promote: z.enum(['open', 'heat', 'never']).optional(),
    demote: z.enum(['auto', 'first', 'last', 'never']).optional(),
  }),
});

export const rulesSchema = z.array(ruleSchema);

/** The words a rule may use at a place, for "did you mean". */
export const RULE_WORDS: readonly string[] = [
  ...['match', 'place', 'path', 'class', 'larger', 'smaller'],
  ...['tier', 'cold', 'pack', 'promote', 'demote'],
];

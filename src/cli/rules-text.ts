/** Rules as lines of YAML, as they would stand in the file of `config=FILE`. */
import type { YAMLMap, YAMLSeq } from 'yaml';
import type { Rule } from '../config/rule.js';
import { formatExactSize } from '../config/units.js';

/** Each has the number by which `explain` calls it. YAML is loaded where there are rules. */
export async function rulesText(rules: readonly Rule[]): Promise<string[]> {
  if (rules.length === 0) return [];
  const { Document, Scalar } = await import('yaml');
  const document = new Document({ rules: rules.map(written) });
  const nodes = (document.get('rules') as YAMLSeq<YAMLMap>).items;
  nodes.forEach((node, index) => {
    node.commentBefore = ` rule ${index + 1}`;
    for (const part of ['match', 'place']) (node.get(part) as YAMLMap).flow = true;
    const path = node.getIn(['match', 'path'], true);
    // Many a glob would be something else in YAML without quotes, so all of them have some.
    if (path instanceof Scalar) path.type = Scalar.QUOTE_DOUBLE;
  });
  return document.toString({ lineWidth: 0 }).trimEnd().split('\n');
}

/** With sizes as people write them. */
function written({ match, place }: Rule): object {
  const { larger, smaller, ...rest } = match;
  return {
    match: {
      ...rest,
      ...(larger !== undefined && { larger: formatExactSize(larger) }),
      ...(smaller !== undefined && { smaller: formatExactSize(smaller) }),
    },
    place,
  };
}

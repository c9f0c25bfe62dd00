/**
 * The ESLint rule that keeps imports pointing one way. The architecture page draws the picture; the table
 * here is its exact form: what a folder of src/ may import beside itself.
 */

const base = ['store', 'config', 'observe', 'native.ts'];
const middle = ['policy', 'content', 'tiers', 'namespace'];
const upper = ['filesystem', 'migration', 'integrity'];

/** Contracts that siblings of a group may see: only the types, never the code. */
const middleTypes = middle.map((folder) => `${folder}/types.ts`);
const upperTypes = ['migration/types.ts', 'integrity/types.ts'];

/** An entry is a folder, a file at the top of src/, or `folder/types.ts` for the types alone. */
const allowed = {
  'main.ts': ['cli', 'daemon', 'config', 'observe'],
  cli: ['daemon', 'fuse', ...upper, ...middle, ...base],
  daemon: ['fuse', ...upper, ...middle, ...base],
  filesystem: ['fuse', ...middle, ...base, ...upperTypes],
  migration: [...middle, ...base, ...upperTypes],
  integrity: [...middle, ...base, ...upperTypes],
  content: [...base, ...middleTypes],
  tiers: [...base, ...middleTypes],
  namespace: [...base, ...middleTypes],
  // Pure functions: not even the addon or the database.
  policy: ['config', ...middleTypes],
  fuse: ['config', 'observe', 'native.ts'],
  store: ['config', 'observe', 'native.ts'],
  observe: ['config'],
  config: [],
  'native.ts': ['native-content.ts', 'native-export.ts'],
  'native-content.ts': [],
  'native-export.ts': ['native-content.ts'],
};

/** Modules of Node that do I/O. */
const ioModules = /^(node:)?(fs|net|http|https|child_process|dgram|worker_threads|cluster)(\/|$)/;

/** The part of a path below the last `/src/`, or undefined. */
function belowSource(path) {
  const at = path.lastIndexOf('/src/');
  return at < 0 ? undefined : path.slice(at + '/src/'.length);
}

/** What `specifier` in `filename` means, as a path below src/ with its `.ts` suffix. */
function target(filename, specifier) {
  if (!specifier.startsWith('.')) return undefined;
  const resolved = new URL(specifier, `file://${filename}`).pathname;
  return belowSource(resolved)?.replace(/\.js$/, '.ts');
}

/** One line what is wrong with importing `specifier` in `filename`, or undefined. */
export function wrongImport(filename, specifier) {
  const from = belowSource(filename)?.split('/')[0];
  if (from === undefined) return undefined;
  if (from === 'policy' && ioModules.test(specifier)) {
    return `policy decides from facts alone and imports no I/O ('${specifier}')`;
  }
  const to = target(filename, specifier);
  if (to === undefined) return undefined;
  const folder = to.split('/')[0];
  const mayImport = allowed[from];
  if (mayImport === undefined) return `'${from}' has no place in the import table`;
  if (folder === from || mayImport.includes(folder) || mayImport.includes(to)) return undefined;
  return `'${from}' must not import '${to}': imports point one way (scripts/import-direction.js)`;
}

export const importDirection = {
  meta: { type: 'problem', docs: { description: 'imports point one way' }, schema: [] },
  create(context) {
    const check = (node) => {
      if (typeof node.source?.value !== 'string') return;
      const message = wrongImport(context.filename, node.source.value);
      if (message !== undefined) context.report({ node: node.source, message });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};

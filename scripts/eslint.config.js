/** Lint rules. ESLint is called with `-c` because configuration does not stand at the top level here. */
import tseslint from 'typescript-eslint';
import { functionLength } from './function-length.js';
import { importDirection } from './import-direction.js';

/** node:test runs what these return by itself. */
const testCalls = {
  from: 'package',
  package: 'node:test',
  name: ['test', 'it', 'describe', 'suite'],
};

const houseRules = {
  'coral-reef/import-direction': 'error',
  'coral-reef/function-length': ['error', { max: 50 }],
  complexity: ['error', 20],
  eqeqeq: ['error', 'always'],
  'max-lines': ['error', { max: 400, skipComments: true, skipBlankLines: true }],
  'max-params': ['error', 6],
  'no-restricted-syntax': [
    'error',
    { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
    { selector: 'TSEnumDeclaration', message: 'Use a const object or a union of literals.' },
  ],
  'prefer-const': 'error',
  'no-console': 'error',
};

const typeRules = {
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [testCalls] }],
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true },
  ],
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', ignoreRestSiblings: true },
  ],
  // An index that was just checked is clearer with `!` than with a second check.
  '@typescript-eslint/no-non-null-assertion': 'off',
  // Type arguments such as deferred<void>().
  '@typescript-eslint/no-invalid-void-type': 'off',
};

export default tseslint.config(
  { ignores: ['dist*/', 'node_modules/', 'native/build/', '.cache/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: new URL('..', import.meta.url).pathname,
      },
    },
    plugins: {
      'coral-reef': {
        rules: { 'function-length': functionLength, 'import-direction': importDirection },
      },
    },
    rules: { ...houseRules, ...typeRules },
  },
  {
    // Programs that print.
    files: ['scripts/**/*.ts', 'test/**/*.ts', 'src/cli/**/*.ts', 'src/main.ts'],
    rules: { 'no-console': 'off' },
  },
);

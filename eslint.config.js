import { builtinModules } from 'node:module'
import { defineConfig } from 'eslint/config'
import { builtinRules } from 'eslint/use-at-your-own-risk'
import ts from 'typescript'
import { configs, parser } from 'typescript-eslint'

/** The pure folders and, as its exclusions, the adapters among them. */
const pure = ts.readConfigFile('tsconfig.pure.json', ts.sys.readFile).config

const fromEnv = 'Time and chance come from the Env; IO belongs to an adapter.'

const impureGlobals = [
  ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
  ...['crypto', 'process', 'console', 'fetch', 'WebSocket', 'Buffer', 'require', 'Intl'],
]

/** Shapes that the house does without, wherever they stand. */
const houseSyntax = [
  {
    selector: ':matches(PropertyDefinition, MethodDefinition)[accessibility="private"]',
    message: 'Write #name: it is private at run time too.',
  },
]

const typed = {
  files: ['**/*.{ts,tsx}'],
  extends: [configs.recommendedTypeChecked],
  languageOptions: { parser, parserOptions: { projectService: true } },
  linterOptions: { reportUnusedDisableDirectives: 'error' },
  // One rule can have one level only, so the hard stop is the same rule under a second name.
  plugins: { hard: { rules: { 'function-lines': builtinRules.get('max-lines-per-function') } } },
  rules: {
    eqeqeq: 'error',
    'prefer-const': 'error',
    'no-restricted-syntax': ['error', ...houseSyntax],
    '@typescript-eslint/max-params': ['error', { max: 4 }],
    '@typescript-eslint/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true },
    ],
    '@typescript-eslint/return-await': ['error', 'in-try-catch'],
    '@typescript-eslint/restrict-template-expressions': [
      'error',
      { allowNumber: true, allowBoolean: true },
    ],
    '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    // A port is asynchronous for the sake of its slowest adapter.
    '@typescript-eslint/require-await': 'off',
  },
}

const sizes = {
  files: ['src/**/*.ts', 'sim/**/*.ts', 'dashboard/**/*.{ts,tsx}'],
  // A conformance suite is a list of tests.
  ignores: ['**/*.test.ts', 'src/testing/**'],
  rules: {
    'max-lines': ['warn', { max: 400 }],
    'max-lines-per-function': ['warn', { max: 40, skipBlankLines: true, skipComments: true }],
    'hard/function-lines': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
  },
}

const library = {
  files: ['src/**/*.ts', 'dashboard/**/*.{ts,tsx}'],
  ignores: ['src/cli/**'],
  rules: {
    'no-console': 'error',
    'no-restricted-syntax': [
      'error',
      ...houseSyntax,
      { selector: 'ExportAllDeclaration', message: 'Name what a door exports.' },
    ],
  },
}

const purity = {
  files: pure.include.map((folder) => `${folder}/**/*.ts`),
  ignores: pure.exclude,
  rules: {
    'no-restricted-globals': [
      'error',
      {
        globals: impureGlobals.map((name) => ({ name, message: fromEnv })),
        checkGlobalObject: true,
      },
    ],
    'no-restricted-properties': [
      'error',
      { object: 'Math', property: 'random', message: fromEnv },
      ...['localeCompare', 'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase'].map(
        (property) => ({ property, message: 'The outcome depends on the machine.' }),
      ),
    ],
    'no-restricted-imports': [
      'error',
      {
        paths: builtinModules.map((name) => ({ name, message: fromEnv })),
        patterns: [{ group: ['node:*'], message: fromEnv }],
      },
    ],
  },
}

/** A seed must decide everything in a simulation, so no reading may come from the machine. */
const simulation = {
  files: ['sim/**/*.ts'],
  rules: {
    'no-restricted-globals': [
      'error',
      {
        globals: ['Date', 'performance', 'setTimeout', 'setInterval', 'crypto', 'fetch'].map(
          (name) => ({ name, message: 'In the simulator time and chance come from the seed.' }),
        ),
        checkGlobalObject: true,
      },
    ],
    'no-restricted-properties': [
      'error',
      { object: 'Math', property: 'random', message: 'Chance comes from the seed.' },
    ],
  },
}

const tests = {
  files: ['test/**/*.ts', '**/*.test.ts'],
  rules: {
    'no-restricted-syntax': [
      'error',
      ...houseSyntax,
      {
        selector:
          'MemberExpression[object.name=/^(test|it|describe|suite)$/][property.name=/^(skip|only|todo|skipIf|runIf)$/]',
        message: "Skip inside the test, with a reason: context.skip('why').",
      },
      {
        selector: 'ImportExpression[source.value="node:timers/promises"]',
        message: 'A test waits for a condition, never for time to pass.',
      },
    ],
    'no-restricted-imports': [
      'error',
      {
        paths: ['node:timers/promises', 'timers/promises'].map((name) => ({
          name,
          message: 'A test waits for a condition, never for time to pass.',
        })),
      },
    ],
  },
}

export default defineConfig([
  { ignores: ['dist/', 'coverage/'] },
  typed,
  sizes,
  library,
  purity,
  simulation,
  tests,
])

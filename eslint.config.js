import tseslint from 'typescript-eslint';

const clockOnly =
  'Time comes from the Clock port, so that tests and the simulation can drive it; only adapters/clock.ts touches the real one, adapters/virtual-time.ts the event loop.';
const chanceOnly =
  'Randomness comes from the Ids port, so that a seed repeats a run; only adapters/ids.ts touches the real one.';

/** Calls that make a program unrepeatable. */
const unrepeatable = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: clockOnly },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clockOnly },
  { selector: "MemberExpression[object.name='performance'][property.name='now']", message: clockOnly },
  { selector: "MemberExpression[object.name='process'][property.name='hrtime']", message: clockOnly },
  {
    selector:
      'CallExpression[callee.name=/^(setTimeout|setInterval|setImmediate)$/], CallExpression[callee.property.name=/^(setTimeout|setInterval|setImmediate)$/]',
    message: clockOnly,
  },
  { selector: "CallExpression[callee.name='Date']", message: clockOnly },
  { selector: 'ImportDeclaration[source.value=/^(node:)?timers(.promises)?$/]', message: clockOnly },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: chanceOnly },
  { selector: 'ImportSpecifier[imported.name=/^(randomUUID|randomBytes|randomInt)$/]', message: chanceOnly },
  {
    selector: 'CallExpression[callee.property.name=/^(randomUUID|randomBytes|randomInt|getRandomValues)$/]',
    message: chanceOnly,
  },
];

export default tseslint.config(
  // test/bench/peers has packages and a tsconfig of its own.
  { ignores: ['dist/', '**/node_modules/', '.belfry/', '**/*.js', 'test/bench/peers/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Ports are promises; memory implementations of them often await nothing.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'prefer-const': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true }],
    },
  },
  {
    files: ['services/**/*.ts'],
    ignores: ['services/adapters/clock.ts', 'services/adapters/virtual-time.ts', 'services/adapters/ids.ts'],
    rules: { 'no-restricted-syntax': ['error', ...unrepeatable] },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test returns promises that it awaits itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              name: ['it', 'test', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'],
              package: 'node:test',
            },
          ],
        },
      ],
    },
  },
);

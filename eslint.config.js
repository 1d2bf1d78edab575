import tseslint from 'typescript-eslint';

const clockOnly =
  'Time comes from the Clock port, so that tests and the simulation can drive it; only adapters/clock.ts touches the real one, adapters/virtual-time.ts the event loop.';
const chanceOnly =
  'Randomness comes from the Ids port, so that a seed repeats a run; only adapters/ids.ts touches the real one.';

const readTimes =
  'Date reads texts of many forms, some of them in the zone of this machine: parseInstant (core/spec/instant.ts) and parseHttpDate read those that are meant.';

/** `new Date` of anything but a number reads a text. */
const noDateOfText = {
  meta: { type: 'problem', schema: [] },
  create({ report, sourceCode: { parserServices: services } }) {
    const checker = services.program?.getTypeChecker();
    if (checker === undefined) return {}; // linted without types
    return {
      "NewExpression[callee.name='Date'][arguments.length=1]"({ arguments: [argument] }) {
        const isNumber = checker.isTypeAssignableTo(services.getTypeAtLocation(argument), checker.getNumberType());
        if (!isNumber) report({ node: argument, message: readTimes });
      },
    };
  },
};

const unbounded =
  'What foreign text meets has a bound: listOf, mapOf, name and text (core/spec/fields.ts) have one, which is looked at first; or say .max(…).';

/** Schemas of lists, maps and texts without a greatest size; what the API answers (in `answers(…)`) is its own. */
const boundedSchemas = {
  meta: { type: 'problem', schema: [] },
  create({ report, sourceCode }) {
    const isBounded = (node) => {
      const { parent } = node;
      if (parent?.type !== 'MemberExpression' || parent.object !== node) return false;
      if (parent.parent.type !== 'CallExpression') return false;
      return ['max', 'length'].includes(parent.property.name) || isBounded(parent.parent);
    };
    const isAnswer = (node) =>
      sourceCode.getAncestors(node).some((each) => each.type === 'CallExpression' && each.callee.name === 'answers');
    return {
      "CallExpression[callee.object.name='z'][callee.property.name=/^(array|record|string|base64|base64url|map|set)$/]"(node) {
        if (!isBounded(node) && !isAnswer(node)) report({ node, message: unbounded });
      },
    };
  },
};
const belfry = { rules: { 'no-date-of-text': noDateOfText, 'bounded-schemas': boundedSchemas } };

/** Calls that make a program unrepeatable, or depend on the machine. */
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
  { selector: "MemberExpression[object.name='Date'][property.name='parse']", message: readTimes },
  {
    selector: "CallExpression[callee.property.name='toISOString']",
    message:
      'toISOString throws beyond what a Date holds; formatInstant (core/spec/instant.ts) writes any stored time.',
  },
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
    ignores: [
      ...['services/adapters/clock.ts', 'services/adapters/virtual-time.ts', 'services/adapters/ids.ts'],
      'services/core/spec/instant.ts',
    ],
    plugins: { belfry },
    rules: { 'no-restricted-syntax': ['error', ...unrepeatable], 'belfry/no-date-of-text': 'error' },
  },
  {
    files: ['services/api/**/*.ts', 'services/core/**/*.ts'],
    ignores: ['services/api/resources.ts'],
    plugins: { belfry },
    rules: { 'belfry/bounded-schemas': 'error' },
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

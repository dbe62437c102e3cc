// The rules of .oxlintrc.json that hold the design, proven on bad files: a rule that does not fire is no rule.
import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, toolScript } from './tool.ts';

/** The table of the design: what the code of a place may import of ours. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'packages/protocol': ['privacy'],
  'packages/privacy': [],
  'packages/compute': [],
  'packages/model': ['compute'],
  'packages/lora': ['compute', 'model'],
  'packages/trainer': ['compute', 'model', 'lora', 'privacy', 'protocol'],
  'packages/client': ['trainer', 'protocol', 'privacy'],
  'packages/coordinator': ['protocol', 'privacy'],
  'packages/simulation': ['trainer', 'coordinator', 'protocol', 'privacy', 'lora'],
  'packages/store': ['protocol'],
  'packages/ui': [],
  'packages/chromium': [],
};
const PACKAGES = [...Object.keys(MAY_IMPORT).map(nameOf), 'testing'];
const APPS = ['server', 'contributor', 'admin', 'cli'];
const PLACES = [...PACKAGES.map((name) => `packages/${name}`), ...APPS.map((app) => `apps/${app}`)];
const LIBRARY_OWNERS = [
  ['@tensorflow/tfjs-core', 'packages/compute'],
  ['@huggingface/tokenizers', 'packages/model'],
] as const;
const RANDOM_FREE = [
  'packages/privacy',
  'packages/compute',
  'packages/model',
  'packages/trainer',
  'packages/client',
  'packages/coordinator',
  'packages/lora',
  'packages/simulation',
];

const NO_IMPORT = 'eslint(no-restricted-imports)';
const NO_PROPERTY = 'eslint(no-restricted-properties)';

/** A copy of the repository's layout with nothing in it but the snippets. */
let tree = '';
/** `path rule` of everything the linter reported. */
let reported: Set<string>;
const snippets = new Map<string, string>();

for (const place of PLACES) {
  const specifiers = [
    ...PACKAGES.map((name) => `@chorale/${name}`),
    ...APPS.map((app) => `@chorale/${app}/main.ts`),
    ...LIBRARY_OWNERS.map(([library]) => library),
  ];
  for (const specifier of specifiers) addSnippet(importOf(place, specifier), importing(specifier));
  addSnippet(testOf(place), importing('@chorale/testing'));
}

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'chorale-lint-'));
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
  writeFileSync(
    join(tree, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { strict: true, target: 'ES2024', module: 'preserve' } }),
  );
  for (const [path, code] of snippets) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), code);
  }
  reported = lint();
});
afterAll(() => {
  rmSync(tree, { recursive: true });
});

test.each(LIBRARY_OWNERS.map(([library]) => library))('%s has one place where it is imported', (library) => {
  const importers = PLACES.filter((place) => !isReported(importOf(place, library), NO_IMPORT));
  expect(importers).toEqual(LIBRARY_OWNERS.filter(([name]) => name === library).map(([, owner]) => owner));
});

describe.each(PLACES)('%s', (place) => {
  test('imports exactly what the table of the design lets it', () => {
    const allowed = PACKAGES.filter((name) => !isReported(importOf(place, `@chorale/${name}`), NO_IMPORT));
    const itself = place.startsWith('packages/') ? [nameOf(place)] : [];
    expect(without(allowed, itself)).toEqual(
      without(PACKAGES, itself).filter((name) => mayImport(place, name)),
    );
  });

  test('imports no app', () => {
    expect(APPS.filter((app) => !isReported(importOf(place, `@chorale/${app}/main.ts`), NO_IMPORT))).toEqual(
      [],
    );
  });

  test('imports @chorale/testing in its tests', () => {
    expect(isReported(testOf(place), NO_IMPORT)).toBe(false);
  });
});

describe('imports that are restricted in another way', () => {
  const cases: [path: string, specifier: string, refused: boolean][] = [
    ['packages/privacy/src/usesZod.ts', 'zod', true],
    ['packages/privacy/src/usesNode.ts', 'node:crypto', true],
    ['packages/protocol/src/usesZod.ts', 'zod', false],
    ['packages/coordinator/src/usesNode.ts', 'node:fs', true],
    ['packages/model/src/byPath.ts', '../../compute/src/index.ts', true],
    ['packages/model/src/besideIt.ts', './tokenizer.ts', false],
    ['packages/model/src/folder/above.ts', '../tokenizer.ts', false],
    ['packages/compute/src/wasm.ts', '@tensorflow/tfjs-backend-wasm/dist/some.wasm?url', false],
    ['packages/model/src/usesNodeFolder.ts', 'node:fs/promises', false],
    ['packages/compute/src/testing/opsCases.ts', '@chorale/testing/tolerance', false],
    ['packages/lora/src/wrong.test.ts', '@chorale/store', true],
    ['apps/admin/src/usesNode.ts', 'node:fs', true],
    ['apps/server/src/usesNode.ts', 'node:fs', false],
    ['e2e/app.ts', '@chorale/server', true],
    ['packages/client/src/noise.ts', '@chorale/privacy/testing/scriptedNoise', true],
    ['packages/trainer/src/noise.ts', '@chorale/privacy/testing/plans', true],
    ['packages/privacy/src/mechanism/noise.ts', '../testing/scriptedNoise.ts', true],
    ['packages/privacy/src/mechanism/noise.test.ts', '../testing/scriptedNoise.ts', false],
    ['packages/trainer/src/testing/noise.ts', '@chorale/privacy/testing/scriptedNoise', false],
    ['packages/protocol/src/noise.test.ts', '@chorale/privacy/testing/scriptedNoise', false],
    ['apps/contributor/src/noise.ts', '@chorale/privacy/testing/scriptedNoise', true],
    ['apps/cli/src/noise.ts', '@chorale/privacy/testing/scriptedNoise', true],
    ['packages/simulation/src/noise.ts', '@chorale/privacy/simulation', false],
    ['packages/trainer/src/audit/noise.ts', '@chorale/privacy/simulation', false],
    ['packages/trainer/src/noise.test.ts', '@chorale/privacy/simulation', false],
    ['bench/noise.ts', '@chorale/privacy/simulation', false],
    ['packages/trainer/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['packages/client/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['packages/coordinator/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['packages/protocol/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['packages/lora/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['packages/privacy/src/seededNoise.ts', './simulation.ts', true],
    ['packages/privacy/src/mechanism/seededNoise.ts', '../simulation.ts', true],
    ['packages/privacy/src/mechanism/seededNoise.test.ts', '../simulation.ts', false],
    ['apps/contributor/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['apps/server/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['apps/cli/src/seededNoise.ts', '@chorale/privacy/simulation', true],
    ['e2e/testing.ts', '@chorale/testing', false],
    ['bench/testing.ts', '@chorale/testing', false],
  ];
  for (const [path, specifier, refused] of cases) {
    addSnippet(path, importing(specifier));
    test(`${path}: ${specifier} ${refused ? 'refused' : 'allowed'}`, () => {
      expect(isReported(path, NO_IMPORT)).toBe(refused);
    });
  }

  const ways: [name: string, code: string][] = [
    ['type', "import type { T } from '@chorale/store';\nexport const value: T | null = null;\n"],
    ['export', "export { value } from '@chorale/store';\n"],
    ['dynamic', "export const value = await import('@chorale/store');\n"],
  ];
  for (const [name, code] of ways) {
    const path = addSnippet(`packages/lora/src/${name}Import.ts`, code);
    test(`a ${name} import is an import`, () => {
      expect(isReported(path, NO_IMPORT)).toBe(true);
    });
  }
});

describe('Math.random', () => {
  for (const place of [...RANDOM_FREE, 'apps/server', 'packages/ui']) {
    const forbidden = place !== 'packages/ui';
    const path = addSnippet(`${place}/src/random.ts`, 'export const value = Math.random();\n');
    test(`is ${forbidden ? 'forbidden' : 'allowed'} in ${place}`, () => {
      expect(isReported(path, NO_PROPERTY)).toBe(forbidden);
    });
  }
  const path = addSnippet('packages/privacy/src/taken.ts', 'export const { random } = Math;\n');
  test('cannot be taken out of Math either', () => {
    expect(isReported(path, NO_PROPERTY)).toBe(true);
  });
});

describe('synchronous readbacks', () => {
  for (const place of [...PLACES.map((name) => `${name}/src`), 'bench', 'e2e']) {
    for (const name of ['dataSync', 'arraySync']) {
      const code = `export const read = (tensor: { ${name}(): number[] }): number[] => tensor.${name}();\n`;
      const path = addSnippet(`${place}/${name}.ts`, code);
      test(`${name} is forbidden in ${place}`, () => {
        expect(isReported(path, NO_PROPERTY)).toBe(true);
      });
    }
  }
});

describe('random numbers of tfjs', () => {
  const ways: [name: string, code: string][] = [
    ['normal', "import * as tf from '@tensorflow/tfjs-core';\nexport const noise = tf.randomNormal([2]);\n"],
    [
      'uniform',
      "import * as tf from '@tensorflow/tfjs-core';\nexport const coins = tf.randomUniform([2]);\n",
    ],
    ['dropout', "import * as tf from '@tensorflow/tfjs-core';\nexport const x = tf.dropout([1, 2], 0.5);\n"],
    ['shuffle', "import * as tf from '@tensorflow/tfjs-core';\ntf.util.shuffle([1, 2]);\n"],
  ];
  for (const [name, code] of ways) {
    const path = addSnippet(`packages/compute/src/${name}Random.ts`, code);
    test(`${name} is forbidden, whatever tfjs is called`, () => {
      expect(isReported(path, NO_PROPERTY)).toBe(true);
    });
  }
  // The linter has no rule for this one: its importNames also forbid `import * as tf`
  test('are imported by name nowhere', () => {
    const named =
      /import\s*\{[^}]*\b(rand\w*|dropout|multinomial|truncatedNormal|shuffle\w*)\b[^}]*\}\s*from\s*'@tensorflow/;
    expect(named.test("import { randomNormal } from '@tensorflow/tfjs-core';")).toBe(true);
    const sources = PACKAGES.flatMap((name) =>
      globSync(`packages/${name}/src/**/*.ts`, { cwd: ROOT }).map((path) => join(ROOT, path)),
    );
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.filter((path) => named.test(readFileSync(path, 'utf8')))).toEqual([]);
  });
});

describe('rules that need types or more than one file', () => {
  const cases: [rule: string, path: string, code: string][] = [
    [
      'typescript(no-floating-promises)',
      'packages/store/src/floating.ts',
      'export function run(): void {\n  Promise.resolve(1);\n}\n',
    ],
    [
      'typescript(no-misused-promises)',
      'packages/store/src/misused.ts',
      'export const run = (values: number[]): void => values.forEach(async (value) => void (await value));\n',
    ],
    [
      'typescript(switch-exhaustiveness-check)',
      'packages/store/src/switch.ts',
      "export function run(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      throw new Error();\n  }\n}\n",
    ],
    ['typescript(no-explicit-any)', 'packages/store/src/any.ts', 'export const value: any = 1;\n'],
    [
      'import(no-cycle)',
      'packages/store/src/one.ts',
      "import { two } from './two.ts';\nexport const one = () => two;\n",
    ],
    [
      'import(no-cycle)',
      'packages/store/src/two.ts',
      "import { one } from './one.ts';\nexport const two = () => one;\n",
    ],
    [
      'react-hooks(rules-of-hooks)',
      'packages/ui/src/Hook.tsx',
      "import { useState } from 'react';\nexport function Hook(props: { on: boolean }) {\n  if (props.on) useState(0);\n  return null;\n}\n",
    ],
    ['jsx-a11y(alt-text)', 'apps/admin/src/Image.tsx', 'export const Image = () => <img src="a.png" />;\n'],
  ];
  for (const [rule, path, code] of cases) {
    addSnippet(path, code);
    test(`${rule} fires in ${path}`, () => {
      expect([...reported].filter((line) => line.startsWith(path))).toContain(`${path} ${rule}`);
    });
  }
});

function mayImport(place: string, name: string): boolean {
  if (place === 'packages/testing') return true;
  if (place.startsWith('apps/')) return name !== 'testing';
  return MAY_IMPORT[place]?.includes(name) ?? false;
}

/** The file of a place that imports `specifier` and nothing else. */
function importOf(place: string, specifier: string): string {
  return `${place}/src/imports-${specifier.replaceAll(/\W+/g, '-')}.ts`;
}

function testOf(place: string): string {
  return `${place}/src/some.test.ts`;
}

function without(names: readonly string[], removed: readonly string[]): string[] {
  return names.filter((name) => !removed.includes(name));
}

function nameOf(place: string): string {
  return place.slice(place.indexOf('/') + 1);
}

function importing(specifier: string): string {
  return `import { value } from '${specifier}';\nexport const copy = value;\n`;
}

function addSnippet(path: string, code: string): string {
  if (snippets.has(path)) throw new Error(`two snippets at ${path}`);
  snippets.set(path, code);
  return path;
}

function isReported(path: string, rule: string): boolean {
  return reported.has(`${path} ${rule}`);
}

function lint(): Set<string> {
  const args = [toolScript('oxlint'), '--type-aware', '--format=json'];
  let output: string;
  try {
    output = execFileSync(process.execPath, args, { cwd: tree, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
  } catch (error) {
    // With findings the exit code is 1; the report is on standard output all the same.
    output = (error as { stdout: string }).stdout;
  }
  const report = JSON.parse(output) as { diagnostics: { filename: string; code: string }[] };
  return new Set(report.diagnostics.map(({ filename, code }) => `${filename} ${code}`));
}

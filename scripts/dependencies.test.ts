import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './tool.ts';

/** The names in the `runtime` catalog of pnpm-workspace.yaml: its indented lines, up to the next unindented one. */
function runtimeCatalog(): string[] {
  const workspace = readFileSync(join(ROOT, 'pnpm-workspace.yaml'), 'utf8');
  const [, section = ''] = /^ {2}runtime:\n((?: {4}.*\n)+)/m.exec(workspace) ?? [];
  return section
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().replace(/:.*$/, '').replaceAll("'", ''));
}

test('docs/dependencies.md has one line for each run-time dependency, and no other', () => {
  const documented = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8')
    .split('\n')
    .flatMap((line) => /^\| `([^`]+)`/.exec(line)?.[1] ?? []);
  expect(documented.toSorted()).toEqual([...runtimeCatalog(), 'playwright-core'].toSorted());
});

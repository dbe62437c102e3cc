import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '@chorale/model';
import type { CliResult } from '../support/cli.ts';
import { lastLineOf, runCli } from '../support/cli.ts';
import { expect, test } from '../support/test.ts';

/** Runs a demo of two contributors and one round in a folder of its own, then looks at it. */
async function demo(env: NodeJS.ProcessEnv, look: (result: CliResult) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'chorale-e2e-demo-'));
  try {
    const args = ['--tabs', '2', '--rounds', '1', '--json', '--dir', folder];
    await look(await runCli(['demo', ...args], env));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function expectCompleted(result: CliResult): Promise<void> {
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  expect(result.stdout).toMatch(/round +cohort +received +test accuracy +test loss +epsilon spent/);
  expect(result.stdout).toMatch(/^ +0 +0 +0 +\d+\.\d %/m);
  expect(result.stdout).toMatch(/^ +1 +2 +2 +\d+\.\d % +\d\.\d+ +\d\.\d+ +[\d,]+ +\d+\.\d$/m);
  expect(result.stdout).toContain('The adapter lies in ');
  expect(result.stdout).toContain('Next: ');
  const summary = lastLineOf(result) as { status: string; rounds: unknown[]; adapter: string };
  expect(summary).toMatchObject({
    status: 'completed',
    privacyUnit: 'example',
    rounds: [{ round: 0 }, { round: 1, received: 2 }],
  });
  expect(existsSync(join(summary.adapter, 'adapter_config.json'))).toBe(true);
  const tensors = readSafetensors(await readFile(join(summary.adapter, 'adapter_model.safetensors')));
  expect(tensors.size).toBeGreaterThan(0);
}

test('the demo opens two tabs, trains a round and leaves an adapter', async () => {
  await demo({}, async (result) => {
    await expectCompleted(result);
    expect(result.stdout).toContain('(the tabs chose: wasm)');
    expect(result.stdout).not.toContain('Node contributors');
  });
});

for (const [what, path] of [
  ['is', '/nonexistent/chromium'],
  ['starts', '/bin/false'],
] as const) {
  test(`where no browser ${what}, the demo says so and completes with Node contributors`, async () => {
    await demo({ CHORALE_CHROMIUM: path }, async (result) => {
      await expectCompleted(result);
      expect(result.stdout).toContain(`No browser: `);
      expect(result.stdout).toContain(path);
      expect(result.stdout).toContain('Using Node contributors with the same training code instead of tabs.');
    });
  });
}

import { afterEach, beforeEach, expect, it } from 'vitest';
import { rmSync, writeFileSync } from 'node:fs';
import { hashPlan } from '@chorale/protocol';
import { newRun, prepareRun } from './runSetup.ts';
import { TestSite, testParts } from './testServer.fixture.ts';

let site: TestSite;
beforeEach(() => {
  site = new TestSite();
});
afterEach(async () => {
  await site.clean();
});

const prepare = (parts = testParts) => prepareRun(site.configPath, parts);

it('comes to the same plan hash every time, and to another for anything that differs', async () => {
  const first = await prepare();
  expect(first.planHash).toBe(await hashPlan(first.plan));
  expect((await prepare()).planHash).toBe(first.planHash);
  site.writeConfig({ purpose: 'something else' });
  expect((await prepare()).planHash).not.toBe(first.planHash);
  site.writeConfig({});
  writeFileSync(`${site.directory}/model/weights.bin`, Uint8Array.of(1, 2, 4));
  expect((await prepare()).planHash).not.toBe(first.planHash);
});

it('gives every run of a plan its own readable id', async () => {
  const prepared = await prepare();
  const [a, b] = [newRun(prepared), newRun(prepared)];
  expect(a.runId).toMatch(/^test-run-[0-9a-f]{8}$/);
  expect(a.runId).not.toBe(b.runId);
  site.writeConfig({ name: '日本語' });
  expect(newRun(await prepare()).runId).toMatch(/^run-[0-9a-f]{8}$/);
  site.writeConfig({ name: 'x'.repeat(80) });
  expect(newRun(await prepare()).runId).toMatch(/^x{40}-[0-9a-f]{8}$/);
});

it('resolves the noise', async () => {
  expect((await prepare()).plan.noiseMultiplier).toBe(1.25);
  site.writeConfig({ privacy: { unit: 'none' } });
  expect((await prepare()).plan.noiseMultiplier).toBe(0);
});

it.each([
  [{ model: 'hf:org/name@main' }, 'CONFIG_INVALID', /not downloaded yet/],
  [{ model: 'nowhere' }, 'CONFIG_INVALID', /found neither/],
  [{ evaluation: { file: 'missing.tsv' } }, 'CONFIG_INVALID', /evaluation.file/],
  [{ name: '' }, 'CONFIG_INVALID', /run.json: name/],
])('refuses %j with a sentence', async (config, code, message) => {
  site.writeConfig(config);
  await expect(prepare()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

it('refuses files that are missing or no JSON, and values that do not fit each other', async () => {
  await expect(
    prepare({ ...testParts, modelFileNames: ['config.json', 'tokenizer.json'] }),
  ).rejects.toMatchObject({
    code: 'MODEL_INVALID',
  });
  const describeAdapter = () => Promise.reject(new RangeError('rank 300 is over 256'));
  await expect(prepare({ ...testParts, describeAdapter })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'run "Test run": rank 300 is over 256',
  });
  writeFileSync(site.configPath, '{ not JSON');
  await expect(prepare()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  rmSync(site.configPath);
  await expect(prepare()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/cannot be read/),
  });
});

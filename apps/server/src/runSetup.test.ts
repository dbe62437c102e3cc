import { afterEach, beforeEach, expect, it } from 'vitest';
import { rmSync, writeFileSync } from 'node:fs';
import { hashPlan } from '@chorale/protocol';
import { newRun, prepareRun } from './runSetup.ts';
import { openFileStore, sha256Of } from './fileStore.ts';
import { readStoredModel } from './models/storedModel.ts';
import { NO_HUB, TestSite, testParts } from './testServer.fixture.ts';

let site: TestSite;
beforeEach(() => {
  site = new TestSite();
});
afterEach(async () => {
  await site.clean();
});

const prepare = (parts = testParts) =>
  prepareRun(site.configPath, {
    data: { files: openFileStore(`${site.dataDir}/files`), hubModelsPath: `${site.dataDir}/hub` },
    parts,
    hub: NO_HUB,
    onDownload: () => undefined,
    log: () => undefined,
  });

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
  [{ model: 'hf:name@main' }, 'CONFIG_INVALID', /expected hf:organisation\/name/],
  [{ model: 'hf:../name' }, 'CONFIG_INVALID', /expected hf:organisation\/name/],
  [{ model: 'hf:org/name' }, 'HUB_UNREACHABLE', /org\/name@main could not be asked of/],
  [{ model: 'nowhere' }, 'CONFIG_INVALID', /found none of them/],
  [{ evaluation: { file: 'missing.tsv' } }, 'CONFIG_INVALID', /evaluation.file/],
  [{ name: '' }, 'CONFIG_INVALID', /run.json: name/],
])('refuses %j with a sentence', async (config, code, message) => {
  site.writeConfig(config);
  await expect(prepare()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

it('refuses files that are missing or no JSON, and values that do not fit each other', async () => {
  const neededModelFiles = () => {
    throw Object.assign(new Error('no tokenizer.json'), { code: 'MODEL_INVALID' });
  };
  await expect(prepare({ ...testParts, neededModelFiles })).rejects.toMatchObject({
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

it('stores what was packed in pieces, and derives the adapter from just that', async () => {
  const packed = new Uint8Array(40 * 1024 * 1024).map((_, i) => i >> 16);
  const packModel = () => new Map([['weights.bin', packed]]);
  let described: Uint8Array | undefined;
  const { plan } = await prepare({
    ...testParts,
    packModel,
    describeAdapter: (files, config) => {
      described = files.get('weights.bin');
      return testParts.describeAdapter(files, config);
    },
  });
  expect(described === packed).toBe(true);
  expect(plan.model).toMatchObject({ name: 'model', source: null });
  const [file] = plan.model.files;
  expect(file!.pieces.map(({ sizeBytes }) => sizeBytes)).toEqual([16, 16, 8].map((mib) => mib * 2 ** 20));
  expect(file).toMatchObject({ sizeBytes: packed.byteLength, sha256: sha256Of(packed) });
  const files = readStoredModel({ directory: `${site.dataDir}/files`, files: plan.model.files });
  expect(Buffer.compare(files.get('weights.bin')!, packed)).toBe(0);
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hashPlan } from '@chorale/protocol';
import type { PreparedRun } from './runSetup.ts';
import { newRun, prepareRun } from './runSetup.ts';
import { openDataDirectory } from './dataDirectory.ts';
import { sha256Of } from './fileStore.ts';
import { readStoredModel } from './models/storedModel.ts';
import { NO_HUB, TestSite, testParts } from './testServer.fixture.ts';
import { recordedLog } from './testing/recordedLog.ts';
import { trainerParts } from './trainerParts.ts';

let site: TestSite;
beforeEach(() => {
  site = new TestSite();
});
afterEach(async () => {
  await site.clean();
});

async function prepare(parts = testParts): Promise<PreparedRun> {
  const data = openDataDirectory(site.dataDir);
  const rest = { hub: NO_HUB, onDownload: () => undefined, log: recordedLog().log };
  try {
    return await prepareRun(site.configPath, { data, parts, ...rest });
  } finally {
    data.close();
  }
}

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

const training = { samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1, learningRate: 0.5 };

it('refuses noise that makes values no encoding sends, and takes what is under it', async () => {
  // Ten steps of deviation learningRate/8 · 1.25, its bound about ten deviations: 4.7 a unit of learningRate
  const prepareWith = (learningRate: number): Promise<PreparedRun> => {
    site.writeConfig({ training: { ...training, learningRate } });
    return prepare();
  };
  await expect(prepareWith(1e6)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /values up to 1000000, the most that f32 sends.*Lower learningRate/,
    ) as string,
  });
  expect((await prepareWith(1e4)).plan.config.training.learningRate).toBe(1e4);
  site.writeConfig({ training: { ...training, learningRate: 1e6 }, privacy: { unit: 'none' } });
  await prepare();
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

it('stores again what was altered on disk, of the model and of the test file', async () => {
  const { plan, evaluationSha256 } = await prepare();
  const model = { directory: `${site.dataDir}/files`, files: plan.model.files };
  const weights = plan.model.files.find(({ name }) => name === 'weights.bin')!;
  const kept = [weights.pieces[0]!.sha256, evaluationSha256!].map((hash) => `${site.dataDir}/files/${hash}`);
  const bytes = kept.map((path) => readFileSync(path));
  for (const alter of [
    (path: string) =>
      writeFileSync(
        path,
        readFileSync(path).map((byte) => byte ^ 1),
      ),
    (path: string) => truncateSync(path, 1),
    (path: string) => appendFileSync(path, 'more'),
    (path: string) => rmSync(path),
  ]) {
    kept.forEach(alter);
    expect(() => readStoredModel(model)).toThrow(
      expect.objectContaining({
        code: 'STORE_ERROR',
        message: expect.stringMatching(
          new RegExp(`${weights.pieces[0]!.sha256}.* start the server once with the config`),
        ) as string,
      }),
    );
    await prepare();
    expect(kept.map((path) => readFileSync(path))).toEqual(bytes);
    expect(readStoredModel(model).get('weights.bin')).toEqual(Uint8Array.of(1, 2, 3));
  }
});

it('refuses a task that the model cannot do', async () => {
  site.writeConfig({
    model: 'tiny-encoder',
    evaluation: undefined,
    task: { type: 'sequence-classification', labels: ['no', 'yes'], maxTokens: 512 },
  });
  await expect(prepare(trainerParts)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/task\.maxTokens: expected at most 128, .* got 512/),
  });
});

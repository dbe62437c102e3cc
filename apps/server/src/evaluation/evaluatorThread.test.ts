import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { parseRunConfig } from '@chorale/protocol';
import type { EvaluationJob } from '../serverParts.ts';
import { openEvaluatorThread } from './evaluatorThread.ts';

const directory = mkdtempSync(join(tmpdir(), 'chorale-thread-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A real thread that does as the first parameter says. */
const workerUrl = pathToFileURL(join(directory, 'worker.mjs'));
writeFileSync(
  workerUrl,
  `import { parentPort, workerData } from 'node:worker_threads';
   let asked = 0;
   parentPort.on('message', async ([what, wait]) => {
     asked++;
     if (what === 1) process.exit(7);
     if (what === 2) throw new Error('thrown in the thread');
     if (what === 3) return;
     if (what === 4) return parentPort.postMessage({ ok: false, message: 'could not' });
     await new Promise((resolve) => setTimeout(resolve, wait));
     parentPort.postMessage({ ok: true, value: { accuracy: workerData.rows.length, loss: asked } });
   });`,
);

const job: EvaluationJob = {
  model: { directory, files: [] },
  config: parseRunConfig({
    name: 'test',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
    privacy: { unit: 'none' },
    rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 },
  }),
  rows: [{ text: 'a', textPair: null, label: 0 }],
};

it('evaluates in the order asked, one after the other', async () => {
  const evaluation = openEvaluatorThread(job, { workerUrl });
  const results = await Promise.all([
    evaluation.evaluate(Float32Array.of(0, 50)),
    evaluation.evaluate(Float32Array.of(0, 0)),
  ]);
  expect(results).toEqual([
    { accuracy: 1, loss: 1 },
    { accuracy: 1, loss: 2 },
  ]);
  evaluation.dispose();
  await expect(evaluation.evaluate(Float32Array.of(0, 0))).rejects.toThrow(/closed/);
});

it('fails what fails, and evaluates again afterwards in a new thread', async () => {
  const evaluation = openEvaluatorThread(job, { workerUrl, timeoutMs: 1_000 });
  await expect(evaluation.evaluate(Float32Array.of(4, 0))).rejects.toThrow('could not');
  await expect(evaluation.evaluate(Float32Array.of(1, 0))).rejects.toThrow('ended with code 7');
  await expect(evaluation.evaluate(Float32Array.of(2, 0))).rejects.toThrow('thrown in the thread');
  await expect(evaluation.evaluate(Float32Array.of(3, 0))).rejects.toThrow('no result within 1 s');
  expect(await evaluation.evaluate(Float32Array.of(0, 0))).toEqual({ accuracy: 1, loss: 1 });
  evaluation.dispose();
});

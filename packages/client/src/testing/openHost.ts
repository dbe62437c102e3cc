import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunConfigInput, RunPlan } from '@chorale/protocol';
import { sha256Hex } from '@chorale/protocol';
import type { Compute } from '@chorale/trainer';
import { describeAdapter, openCompute, probeBackends } from '@chorale/trainer';
import { TrainerHost } from '../trainerHost.ts';
import { TrainingDevice } from '../trainingDevice.ts';
import { publicRun } from './scriptedServer.ts';

const MODEL = resolve(import.meta.dirname, '../../../../assets/models/tiny-encoder');
const NAMES = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const files = new Map(NAMES.map((name) => [name, new Uint8Array(readFileSync(resolve(MODEL, name)))]));

/** A device is tried out with the longest texts of a run: with the default of 128 tokens that takes seconds. */
const SHORT_TEXTS: RunConfigInput['task'] = {
  type: 'sequence-classification',
  labels: ['no', 'yes'],
  maxTokens: 8,
};

type HostOptions = {
  config?: Partial<RunConfigInput>;
  /** Called with every device that is opened, before it is tested. */
  onOpen?: (compute: Compute) => void;
  /** Makes another plan of the right one. */
  changePlan?: (plan: RunPlan) => RunPlan;
  /** Whether this device has kept the model, asked anew for every piece. */
  kept?: () => boolean;
  /** Who is asked for what is not kept. */
  serverUrl?: string;
};

/** A worker's trainer on real backends, for a run on the tiny encoder. */
export async function openHost({
  config,
  onOpen = () => undefined,
  changePlan = (plan) => plan,
  kept = () => true,
  serverUrl = 'http://127.0.0.1/',
}: HostOptions = {}) {
  const pieces = new Map<string, Uint8Array>();
  const modelFiles: RunPlan['model']['files'] = [];
  for (const [name, bytes] of files) {
    const piece = { sizeBytes: bytes.length, sha256: await sha256Hex(bytes) };
    pieces.set(piece.sha256, bytes);
    modelFiles.push({ name, ...piece, pieces: [piece] });
  }
  const { run } = await publicRun({ task: SHORT_TEXTS, ...config });
  const { initialParameters, ...facts } = await describeAdapter(files, run.plan.config);
  const plan = changePlan({ ...run.plan, ...facts, model: { ...run.plan.model, files: modelFiles } });

  /** Every device that was opened, in order. */
  const opened: Compute[] = [];
  /** Hashes of the pieces that were asked for, in order. */
  const pieceReads: string[] = [];
  const open: typeof openCompute = async (...options) => {
    const compute = await openCompute(...options);
    opened.push(compute);
    onOpen(compute);
    return compute;
  };
  const device = new TrainingDevice(null, { probe: probeBackends, open });
  const host = new TrainerHost(device, async () => ({
    get: async ({ sha256 }) => {
      pieceReads.push(sha256);
      return kept() ? pieces.get(sha256)! : null;
    },
    put: async () => undefined,
    remove: async () => undefined,
    evict: async () => undefined,
  }));
  host.setRun(serverUrl, plan);
  return { host, run: { plan, planHash: run.planHash }, initialParameters, opened, pieceReads };
}

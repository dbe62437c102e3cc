import { resolve } from 'node:path';
import type { Compute, Ops, Tensor } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { PeftAdapter } from '@chorale/lora';
import { readPeft } from '@chorale/lora';
import type { Adapters, Checkpoint, EncoderConfig, LinearAdapter, Pooling } from '@chorale/model';
import {
  LAYER_MODULES,
  ModelError,
  checkpointModuleName,
  classify,
  encoderForward,
  moduleName,
  moduleShape,
  neededModelFiles,
  padBatch,
  pool,
  readCheckpoint,
  uploadEncoder,
  uploadPooler,
} from '@chorale/model';
import { MODEL_USAGE } from './modelUsage.ts';
import { directoryAt, findModel, readFiles, takeDirectory } from './modelDirectory.ts';
import { nodeBackend, oneOf, parseOptions, required } from './options.ts';

/** What a model makes of a text. */
export type Encoded = {
  ids: number[];
  /** The first token's vector of the last layer, [hiddenSize]. */
  hidden: number[];
  /** [classes] */
  logits?: number[];
  /** Names of the classes, where the adapter says them. */
  labels?: string[];
};

export async function encodeModel(args: string[]): Promise<number> {
  const [directory, rest] = takeDirectory(args, MODEL_USAGE);
  const values = parseOptions(rest, {
    text: { type: 'string' },
    'text-pair': { type: 'string' },
    adapter: { type: 'string' },
    pooling: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    json: { type: 'boolean', default: false },
  });
  const text = required('text', values.text, MODEL_USAGE);
  const backend = nodeBackend(values.backend);
  const asked = values.pooling === undefined ? null : oneOf('pooling', values.pooling, ['cls', 'mean']);
  const found = findModel(directory);
  const checkpoint = readCheckpoint(readFiles(found, neededModelFiles(found.fileNames)));
  const adapter = values.adapter === undefined ? null : readAdapter(values.adapter);
  const pooling = asked ?? adapter?.config.chorale?.pooling ?? 'cls';
  const { sequence, cut } = checkpoint.tokenizer.encode(
    text,
    values['text-pair'] ?? null,
    checkpoint.config.maxPositions,
  );
  if (cut) {
    process.stderr.write(
      `cut to ${checkpoint.config.maxPositions} tokens, which is what the model has positions for\n`,
    );
  }
  const compute = await openCompute(backend);
  const result = await forward(compute, checkpoint, adapter, sequence, pooling);
  const labels = adapter?.config.chorale?.labels;
  const encoded: Encoded = {
    ids: [...sequence.ids],
    ...result,
    ...(result.logits && labels ? { labels } : {}),
  };
  if (!values.json) {
    const classes = result.logits ? `, ${result.logits.length} classes (pooling ${pooling})` : '';
    process.stdout.write(`${sequence.ids.length} tokens, ${result.hidden.length} values${classes}\n`);
  }
  process.stdout.write(`${JSON.stringify(encoded)}\n`);
  return 0;
}

function readAdapter(path: string): PeftAdapter {
  const names = ['adapter_config.json', 'adapter_model.safetensors'];
  const directory = directoryAt(resolve(path), path);
  return readPeft(
    readFiles(
      directory,
      names.filter((name) => directory.fileNames.includes(name)),
    ),
  );
}

async function forward(
  { ops, guard }: Compute,
  checkpoint: Checkpoint,
  adapter: PeftAdapter | null,
  sequence: Parameters<typeof padBatch>[0][number],
  pooling: Pooling,
): Promise<Pick<Encoded, 'hidden' | 'logits'>> {
  const { config } = checkpoint;
  const encoder = uploadEncoder(ops, checkpoint);
  const pooler = uploadPooler(ops, withAdapter(checkpoint, adapter), pooling);
  const adapters = adapter === null ? new Map() : adaptersOf(ops, config, adapter);
  const head = adapter?.head ?? checkpoint.classifier;
  if (head && head.weight.length !== config.hiddenSize * head.bias.length) {
    throw new ModelError(
      `the classifier has ${head.weight.length} weights for ${head.bias.length} classes, expected ${config.hiddenSize} for each`,
    );
  }
  const batch = padBatch([sequence], { maxTokens: config.maxPositions, padTokenId: config.padTokenId });
  return await guard(async () => {
    const { hidden, logits } = ops.scope((): { hidden: Tensor; logits: Tensor | null } => {
      const { hidden: last } = encoderForward(ops, encoder, adapters, batch, { save: false });
      if (!head) return { hidden: last, logits: null };
      const { pooled } = pool(ops, { hidden: last, batch, pooling, pooler });
      const classCount = head.bias.length;
      const weight = ops.tensor(head.weight, [config.hiddenSize, classCount]);
      const bias = ops.tensor(head.bias, [classCount]);
      return { hidden: last, logits: classify(ops, pooled, { weight, bias }) };
    });
    const first = (await ops.read(hidden)).slice(0, config.hiddenSize);
    return { hidden: [...first], ...(logits ? { logits: [...(await ops.read(logits))] } : {}) };
  });
}

/** An adapter may bring the pooler it was trained with, as those for RoBERTa do. */
function withAdapter(
  { config, pooler }: Checkpoint,
  adapter: PeftAdapter | null,
): Pick<Checkpoint, 'config' | 'pooler'> {
  if (!adapter?.pooler) return { config, pooler };
  const { weight, bias } = adapter.pooler;
  if (weight.length !== config.hiddenSize ** 2) {
    throw new ModelError(
      `the adapter's pooler has ${weight.length} weights, expected ${config.hiddenSize ** 2}`,
    );
  }
  const activation = config.architecture === 'distilbert' ? 'relu' : 'tanh';
  return { config, pooler: { weight, bias, activation } };
}

/** @throws {ModelError} the adapter has a module that the encoder has not, or one of another size */
function adaptersOf(ops: Ops, encoder: EncoderConfig, { config, modules }: PeftAdapter): Adapters {
  const known = new Map(
    Array.from({ length: encoder.layerCount }, (_, layer) =>
      LAYER_MODULES.map(
        (module) => [checkpointModuleName(encoder, layer, module), { layer, module }] as const,
      ),
    ).flat(),
  );
  return new Map(
    modules.map(({ name, inDim, outDim, a, b }): [string, LinearAdapter] => {
      const place = known.get(name);
      if (!place) throw new ModelError(`the adapter has a module ${name}, which this encoder has not`);
      const shape = moduleShape(encoder, place.module);
      if (shape.inDim !== inDim || shape.outDim !== outDim) {
        throw new ModelError(
          `the adapter's ${name} maps ${inDim} to ${outDim} values, expected ${shape.inDim} to ${shape.outDim}`,
        );
      }
      const tensors = {
        a: ops.tensor(a, [inDim, config.rank]),
        b: ops.tensor(b, [config.rank, outDim]),
        scaling: config.alpha / config.rank,
      };
      return [moduleName(place.layer, place.module), tensors];
    }),
  );
}

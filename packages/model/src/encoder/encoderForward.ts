import type { AttentionSaved, LayerNormSaved, Ops, Tensor } from '@chorale/compute';
import type { TokenBatch } from '../batch.ts';
import type { AdapterFactors, Adapters } from './adapters.ts';
import { gatherEmbeddings } from './embeddings.ts';
import type { Encoder } from './encoder.ts';
import type { LayerModule } from './modules.ts';
import { LAYER_MODULES, moduleName } from './modules.ts';

/** What one layer keeps for its backward pass. */
export type LayerSaved = {
  /** Inputs x [N*T, inDim] of adapted modules, kept when A's gradients are wanted. */
  inputs: Partial<Record<LayerModule, Tensor>>;
  /** Projections x A [N*T, rank] of adapted modules, kept when B's gradients are wanted. */
  projections: Partial<Record<LayerModule, Tensor>>;
  attention: AttentionSaved;
  attentionNorm: LayerNormSaved;
  activation: Tensor;
  outputNorm: LayerNormSaved;
};

/**
 * The activations of a forward pass; dispose them with the hidden state. Layers below the lowest adapted one keep
 * nothing.
 */
export type EncoderSaved = { layers: (LayerSaved | null)[]; exampleCount: number };

/** Whether a forward pass keeps what `encoderBackward` needs, and for which gradients; `factors` default to both. */
export type ForwardOptions = { save: boolean; factors?: AdapterFactors };

/** Added to the scores of padding; large, yet far from the float32 limit. */
const MASKED = -1e9;

/**
 * A post-norm encoder (BERT, RoBERTa, DistilBERT) with low-rank adapters on any of its linear modules, layer by layer,
 * each in a scope of its own: what a layer needs only in passing dies with it. The memory of a forward pass is linear
 * in the layers with `save`, and constant without. Call inside `ops.scope`.
 * @returns hidden [N*T, hiddenSize], and what `encoderBackward` needs (null without `save`)
 * @throws {RangeError} the batch has tokens or positions the model does not have
 * @see Vaswani et al. 2017; Devlin et al. 2018, section 3; Hu et al. 2021, section 4.1
 */
export function encoderForward(
  ops: Ops,
  encoder: Encoder,
  adapters: Adapters,
  batch: TokenBatch,
  { save, factors = { a: true, b: true } }: ForwardOptions,
): { hidden: Tensor; saved: EncoderSaved | null } {
  const { config, embeddings, layers } = encoder;
  const rows = batch.exampleCount * batch.tokens;
  const { gain, bias } = embeddings.norm;
  let hidden = ops.scope(() => {
    const gathered = ops.tensor(gatherEmbeddings(encoder, batch), [rows, config.hiddenSize]);
    return ops.layerNorm(gathered, gain, bias, config.layerNormEpsilon).y;
  });
  const maskBias = ops.tensor(
    Float32Array.from(batch.mask, (real) => (real ? 0 : MASKED)),
    [batch.exampleCount, 1, 1, batch.tokens],
  );
  const lowest = save ? lowestAdaptedLayer(encoder, adapters) : layers.length;
  const saved: EncoderSaved = { layers: [], exampleCount: batch.exampleCount };
  for (const index of layers.keys()) {
    const kept = index < lowest ? null : factors;
    const input = hidden;
    const result = ops.scope(() => layerForward(ops, encoder, index, adapters, input, maskBias, kept));
    hidden = result.hidden;
    saved.layers.push(result.saved);
    if (!Object.values(result.saved?.inputs ?? {}).includes(input)) ops.dispose(input);
  }
  ops.dispose(maskBias);
  return { hidden, saved: save ? saved : null };
}

/** Index of the first layer with an adapter; the number of layers when there is none. */
function lowestAdaptedLayer({ layers }: Encoder, adapters: Adapters): number {
  const lowest = layers.findIndex((_, index) =>
    LAYER_MODULES.some((module) => adapters.has(moduleName(index, module))),
  );
  return lowest < 0 ? layers.length : lowest;
}

/** @param kept which factors' gradients are wanted later; null keeps nothing */
function layerForward(
  ops: Ops,
  { config, layers }: Encoder,
  index: number,
  adapters: Adapters,
  x: Tensor, // [N*T, d]
  maskBias: Tensor,
  kept: AdapterFactors | null,
): { hidden: Tensor; saved: LayerSaved | null } {
  const layer = layers[index]!;
  const inputs: LayerSaved['inputs'] = {};
  const projections: LayerSaved['projections'] = {};
  const linear = (module: LayerModule, input: Tensor): Tensor => {
    const { weight, bias } = layer.linears[module];
    const base = ops.linear(input, weight, bias);
    const adapter = adapters.get(moduleName(index, module));
    if (!adapter) return base;
    const projected = ops.matMul(input, adapter.a); // [N*T, rank]
    if (kept?.a) inputs[module] = input;
    if (kept?.b) projections[module] = projected;
    return ops.add(base, ops.scale(ops.matMul(projected, adapter.b), adapter.scaling));
  };
  const norm = (sum: Tensor, { gain, bias }: { gain: Tensor; bias: Tensor }) =>
    ops.layerNorm(sum, gain, bias, config.layerNormEpsilon);

  const q = linear('attention.self.query', x);
  const k = linear('attention.self.key', x);
  const v = linear('attention.self.value', x);
  const attention = ops.attention(q, k, v, maskBias, config.headCount);
  const attended = linear('attention.output.dense', attention.context);
  const afterAttention = norm(ops.add(x, attended), layer.attentionNorm);
  const inner = linear('intermediate.dense', afterAttention.y); // [N*T, intermediateSize]
  const activated = ops.activation(config.activation, inner);
  const fed = linear('output.dense', activated.y);
  const afterFeed = norm(ops.add(afterAttention.y, fed), layer.outputNorm);
  if (!kept) return { hidden: afterFeed.y, saved: null };
  return {
    hidden: afterFeed.y,
    saved: {
      inputs,
      projections,
      attention: attention.saved,
      attentionNorm: afterAttention.saved,
      activation: activated.saved,
      outputNorm: afterFeed.saved,
    },
  };
}

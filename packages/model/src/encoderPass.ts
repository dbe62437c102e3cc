import type { AttentionSaved, LayerNormSaved, Ops, Tensor } from '@chorale/compute';
import type { TokenBatch } from './batch.ts';
import type { Encoder, EncoderLayer, LayerModule } from './encoder.ts';
import { gatherEmbeddings, moduleName } from './encoder.ts';

/** A low-rank addition to one linear module: y += scaling * (x a) b. */
export type LinearAdapter = {
  /** Frozen, [inDim, rank]. */
  a: Tensor;
  /** Trained, [rank, outDim]. */
  b: Tensor;
  /** alpha / rank. */
  scaling: number;
};

/** Adapters by full module name. */
export type Adapters = ReadonlyMap<string, LinearAdapter>;

/** What one layer keeps for its backward pass; xA only where an adapter sits. */
type LayerSaved = {
  xA: Partial<Record<LayerModule, Tensor>>;
  attention: AttentionSaved;
  attentionNorm: LayerNormSaved;
  geluInput: Tensor;
  outputNorm: LayerNormSaved;
};

/** The activations of a forward pass, layer by layer; dispose them with the hidden state. */
export type EncoderSaved = { layers: LayerSaved[]; exampleCount: number };

/** Called with each module's per-example gradient of B, [N, rank*outDim], row-major in (rank, outDim). */
export type OnAdapterGradient = (module: string, gradient: Tensor) => void;

/**
 * BERT's encoder (post-norm) with LoRA on any of its linear modules. Call inside `ops.scope`.
 * @returns hidden [N*T, hiddenSize], and what `encoderBackward` needs
 * @see Devlin et al. 2018, section 3; Hu et al. 2021, section 4.1
 */
export function encoderForward(
  ops: Ops,
  encoder: Encoder,
  adapters: Adapters,
  batch: TokenBatch,
): { hidden: Tensor; saved: EncoderSaved } {
  const { config, embeddings } = encoder;
  const rows = batch.exampleCount * batch.tokens;
  const gathered = ops.tensor(gatherEmbeddings(encoder, batch), [rows, config.hiddenSize]);
  const maskBias = ops.tensor(
    Float32Array.from(batch.mask, (real) => (real ? 0 : MASKED)),
    [batch.exampleCount, 1, 1, batch.tokens],
  );
  let hidden = ops.layerNorm(gathered, embeddings.norm.gain, embeddings.norm.bias, config.layerNormEpsilon).y;
  const layers: LayerSaved[] = [];
  encoder.layers.forEach((layer, index) => {
    const result = layerForward(ops, encoder, layer, index, adapters, hidden, maskBias);
    hidden = result.hidden;
    layers.push(result.saved);
  });
  return { hidden, saved: { layers, exampleCount: batch.exampleCount } };
}

/** Added to the scores of padding; large, yet far from the float32 limit. */
const MASKED = -1e9;

function layerForward(
  ops: Ops,
  { config }: Encoder,
  layer: EncoderLayer,
  index: number,
  adapters: Adapters,
  x: Tensor, // [N*T, d]
  maskBias: Tensor,
): { hidden: Tensor; saved: LayerSaved } {
  const xA: LayerSaved['xA'] = {};
  const linear = (module: LayerModule, input: Tensor): Tensor => {
    const { weight, bias } = layer.linears[module];
    const base = ops.linear(input, weight, bias);
    const adapter = adapters.get(moduleName(index, module));
    if (!adapter) return base;
    const projected = ops.matMul(input, adapter.a); // [N*T, rank]
    xA[module] = projected;
    return ops.add(base, ops.scale(ops.matMul(projected, adapter.b), adapter.scaling));
  };
  const epsilon = config.layerNormEpsilon;
  const q = linear('attention.self.query', x);
  const k = linear('attention.self.key', x);
  const v = linear('attention.self.value', x);
  const attention = ops.attention(q, k, v, maskBias, config.headCount);
  const attended = linear('attention.output.dense', attention.context);
  const afterAttention = ops.layerNorm(
    ops.add(x, attended),
    layer.attentionNorm.gain,
    layer.attentionNorm.bias,
    epsilon,
  );
  const geluInput = linear('intermediate.dense', afterAttention.y); // [N*T, intermediateSize]
  const fed = linear('output.dense', ops.gelu(geluInput));
  const afterFeed = ops.layerNorm(
    ops.add(afterAttention.y, fed),
    layer.outputNorm.gain,
    layer.outputNorm.bias,
    epsilon,
  );
  return {
    hidden: afterFeed.y,
    saved: {
      xA,
      attention: attention.saved,
      attentionNorm: afterAttention.saved,
      geluInput,
      outputNorm: afterFeed.saved,
    },
  };
}

/**
 * Backward pass of `encoderForward`, layer by layer without a tape. The per-example gradient of a module's B is
 * scaling * (xᵢ A)ᵀ dyᵢ: with A frozen nothing else is needed, and one batched product gives it for all examples.
 * Stops below the lowest adapter. Call inside `ops.scope`.
 * @param dHidden [N*T, hiddenSize], gradient of each example's own loss (not averaged over examples)
 */
export function encoderBackward(
  ops: Ops,
  encoder: Encoder,
  adapters: Adapters,
  saved: EncoderSaved,
  dHidden: Tensor,
  onGradient: OnAdapterGradient,
): void {
  const lowest = lowestAdaptedLayer(encoder, saved);
  let upstream = dHidden;
  for (let index = encoder.layers.length - 1; index >= lowest; index--) {
    upstream = layerBackward(ops, encoder, index, adapters, saved, upstream, onGradient);
  }
}

function lowestAdaptedLayer(encoder: Encoder, saved: EncoderSaved): number {
  const lowest = saved.layers.findIndex((layer) => Object.keys(layer.xA).length > 0);
  return lowest < 0 ? encoder.layers.length : lowest;
}

function layerBackward(
  ops: Ops,
  encoder: Encoder,
  index: number,
  adapters: Adapters,
  { layers, exampleCount }: EncoderSaved,
  dy: Tensor,
  onGradient: OnAdapterGradient,
): Tensor {
  const layer = encoder.layers[index]!;
  const saved = layers[index]!;
  /** Reports B's gradient of one module and returns the gradient for its input. */
  const linearBackward = (module: LayerModule, dOut: Tensor): Tensor => {
    const dInput = ops.linearBackward(dOut, layer.linears[module].weight);
    const name = moduleName(index, module);
    const adapter = adapters.get(name);
    const projected = saved.xA[module];
    if (!adapter || !projected) return dInput;
    const scaled = ops.scale(dOut, adapter.scaling);
    onGradient(name, ops.perExampleOuter(projected, scaled, exampleCount));
    return ops.add(dInput, ops.matMulNT(ops.matMulNT(scaled, adapter.b), adapter.a));
  };
  const dFeedSum = ops.layerNormBackward(dy, layer.outputNorm.gain, saved.outputNorm);
  const dGelu = linearBackward('output.dense', dFeedSum);
  const dFeedInput = linearBackward('intermediate.dense', ops.geluBackward(dGelu, saved.geluInput));
  const dAttentionSum = ops.layerNormBackward(
    ops.add(dFeedSum, dFeedInput),
    layer.attentionNorm.gain,
    saved.attentionNorm,
  );
  const dContext = linearBackward('attention.output.dense', dAttentionSum);
  const { dq, dk, dv } = ops.attentionBackward(dContext, saved.attention);
  const dInput = ops.add(
    ops.add(linearBackward('attention.self.query', dq), linearBackward('attention.self.key', dk)),
    linearBackward('attention.self.value', dv),
  );
  return ops.add(dAttentionSum, dInput);
}

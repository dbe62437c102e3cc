import type { Ops, Tensor } from '@chorale/compute';
import type { AdapterFactors, Adapters, OnAdapterGradient } from './adapters.ts';
import type { Encoder } from './encoder.ts';
import type { EncoderSaved, LayerSaved } from './encoderForward.ts';
import type { LayerModule } from './modules.ts';
import { moduleName } from './modules.ts';

/** Which gradients `encoderBackward` computes, and where they go. */
export type BackwardOptions = { factors: AdapterFactors; onGradient: OnAdapterGradient };

/** A linear module, or one of its factors, with its gradient. */
type Gradient = { module: LayerModule; factor: 'a' | 'b'; tensor: Tensor };

/**
 * Backward pass of `encoderForward`, layer by layer, each in a scope of its own, without a tape. For an adapter on
 * y = x W + s (x A) B the per-example gradients are one batched product each:
 *   dB_i = s (x_i A)ᵀ dy_i and dA_i = s x_iᵀ (dy_i Bᵀ).
 * Stops at the lowest adapted layer. Call inside `ops.scope`.
 * @param saved   from the forward pass, borrowed
 * @param dHidden [N*T, hiddenSize], gradient of each example's own loss (not averaged over examples), borrowed
 * @throws {RangeError} a factor is wanted whose activations the forward pass did not keep
 * @see Hu et al. 2021, section 4.1, of whose formula these are the derivatives
 */
export function encoderBackward(
  ops: Ops,
  encoder: Encoder,
  adapters: Adapters,
  saved: EncoderSaved,
  dHidden: Tensor,
  { factors, onGradient }: BackwardOptions,
): void {
  const lowest = saved.layers.findIndex((layer) => layer !== null);
  if (lowest < 0) return;
  let upstream: Tensor | null = dHidden;
  for (let index = saved.layers.length - 1; index >= lowest && upstream !== null; index--) {
    const gradients: Gradient[] = [];
    const dy: Tensor = upstream;
    const kept = ops.scope(() => {
      const linearBackward = adaptedLinearBackward(ops, encoder, adapters, saved, index, factors, gradients);
      const layerSaved = saved.layers[index]!;
      const dx = layerBackward(ops, encoder, index, layerSaved, linearBackward, dy, index > lowest);
      return { dx, gradients: gradients.map(({ tensor }) => tensor) };
    });
    for (const { module, factor, tensor } of gradients) onGradient(moduleName(index, module), factor, tensor);
    if (dy !== dHidden) ops.dispose(dy);
    upstream = kept.dx;
  }
}

/** Backward of one linear module with its adapter: records the adapter's gradients, returns the input's if wanted. */
type LinearBackward = (module: LayerModule, dOut: Tensor, inputWanted: boolean) => Tensor | null;

function adaptedLinearBackward(
  ops: Ops,
  { layers }: Encoder,
  adapters: Adapters,
  { layers: savedLayers, exampleCount }: EncoderSaved,
  index: number,
  factors: AdapterFactors,
  gradients: Gradient[],
): LinearBackward {
  const saved = savedLayers[index]!;
  return (module, dOut, inputWanted) => {
    const { weight } = layers[index]!.linears[module];
    const adapter = adapters.get(moduleName(index, module));
    if (!adapter) return inputWanted ? ops.linearBackward(dOut, weight) : null;
    const scaled = ops.scale(dOut, adapter.scaling); // [N*T, outDim]
    const record = (factor: 'a' | 'b', left: Tensor | undefined, right: Tensor) => {
      if (!left) {
        const name = moduleName(index, module);
        throw new RangeError(`the forward pass kept nothing for the gradient of ${name}'s factor ${factor}`);
      }
      gradients.push({ module, factor, tensor: ops.perExampleOuter(left, right, exampleCount) });
    };
    if (factors.b) record('b', saved.projections[module], scaled);
    if (!factors.a && !inputWanted) return null;
    const dProjected = ops.matMulNT(scaled, adapter.b); // [N*T, rank]
    if (factors.a) record('a', saved.inputs[module], dProjected);
    if (!inputWanted) return null;
    return ops.add(ops.linearBackward(dOut, weight), ops.matMulNT(dProjected, adapter.a));
  };
}

/**
 * @param inputWanted the lowest layer needs no gradient of its own input, which saves its largest products
 * @returns gradient of the layer's input [N*T, hiddenSize], or null
 */
function layerBackward(
  ops: Ops,
  { config, layers }: Encoder,
  index: number,
  saved: LayerSaved,
  linearBackward: LinearBackward,
  dy: Tensor,
  inputWanted: boolean,
): Tensor | null {
  const { attentionNorm, outputNorm } = layers[index]!;
  const dFeedSum = ops.layerNormBackward(dy, outputNorm.gain, saved.outputNorm);
  const dActivated = linearBackward('output.dense', dFeedSum, true)!;
  const dInner = ops.activationBackward(config.activation, dActivated, saved.activation);
  const dFeedInput = linearBackward('intermediate.dense', dInner, true)!;
  const dAttentionSum = ops.layerNormBackward(
    ops.add(dFeedSum, dFeedInput),
    attentionNorm.gain,
    saved.attentionNorm,
  );
  const dContext = linearBackward('attention.output.dense', dAttentionSum, true)!;
  const { dq, dk, dv } = ops.attentionBackward(dContext, saved.attention);
  const fromQuery = linearBackward('attention.self.query', dq, inputWanted);
  const fromKey = linearBackward('attention.self.key', dk, inputWanted);
  const fromValue = linearBackward('attention.self.value', dv, inputWanted);
  if (!fromQuery || !fromKey || !fromValue) return null;
  return ops.add(dAttentionSum, ops.add(ops.add(fromQuery, fromKey), fromValue));
}

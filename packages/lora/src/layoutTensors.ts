import type { AdapterLayout } from './adapterLayout.ts';

/** One tensor of the flat vector: so many elements behind those of the tensors before it. */
export type LayoutTensor = { name: string; count: number };

/**
 * What the flat vector of parameters is made of, in its order (see `AdapterLayout`); together `parameterCount` elements.
 * Every range that a round trains starts and ends with one of them. Names are a module's own with PEFT's `lora_A` or
 * `lora_B` behind it, the same for every architecture; `packages/lora/src/peft` has those that PEFT's files use.
 */
export function layoutTensors({ modules, rank, head }: AdapterLayout): LayoutTensor[] {
  const ofHead = [
    { name: 'classifier.weight', count: head.rows * head.columns },
    { name: 'classifier.bias', count: head.columns },
  ];
  return [
    ...modules.map(({ name, outDim }) => ({ name: `${name}.lora_B`, count: rank * outDim })),
    ...(head.trained ? ofHead : []),
    ...modules.flatMap(({ name, inDim, aOffset }) =>
      aOffset === null ? [] : [{ name: `${name}.lora_A`, count: inDim * rank }],
    ),
  ];
}

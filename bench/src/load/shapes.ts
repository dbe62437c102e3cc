/** Sizes of what one round trains: B of query and value in every layer, at rank 8. */
export type LoadShape = { name: string; layers: number; hiddenSize: number; parameterCount: number };

const RANK = 8;

function shape(name: string, layers: number, hiddenSize: number): LoadShape {
  return { name, layers, hiddenSize, parameterCount: 2 * layers * RANK * hiddenSize };
}

export const SHAPES: readonly LoadShape[] = [
  shape('tiny', 2, 128),
  shape('minilm', 6, 384),
  shape('roberta-base', 12, 768),
];

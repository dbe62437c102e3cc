/** A model and a batch without padding, and how often its time is measured, at least twice. */
export type StepShape = {
  name: string;
  hiddenSize: number;
  layerCount: number;
  headCount: number;
  intermediateSize: number;
  exampleCount: number;
  tokens: number;
  rank: number;
  repetitions: number;
};

export const BACKENDS = ['wasm', 'cpu', 'webgpu', 'webgl'] as const;
export type Backend = (typeof BACKENDS)[number];

const TINY = { hiddenSize: 128, layerCount: 2, headCount: 2, intermediateSize: 512, rank: 8 };
const MINI_LM = { hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536, rank: 8 };

/**
 * The embedded tiny encoder's shape and MiniLM-L6's. Small batches where a GPU is emulated in software: there one MiniLM step
 * of one example of 16 tokens takes half a second on webgl and 6 to 9 seconds on webgpu, and being compiled once a minute.
 */
export const SHAPES: Record<Backend, StepShape[]> = {
  wasm: [
    { name: 'tiny encoder', ...TINY, exampleCount: 16, tokens: 32, repetitions: 15 },
    { name: 'MiniLM-L6', ...MINI_LM, exampleCount: 4, tokens: 64, repetitions: 7 },
  ],
  cpu: [
    { name: 'tiny encoder', ...TINY, exampleCount: 4, tokens: 16, repetitions: 9 },
    { name: 'MiniLM-L6', ...MINI_LM, exampleCount: 1, tokens: 16, repetitions: 4 },
  ],
  webgpu: [
    { name: 'tiny encoder', ...TINY, exampleCount: 4, tokens: 16, repetitions: 13 },
    { name: 'MiniLM-L6', ...MINI_LM, exampleCount: 1, tokens: 16, repetitions: 3 },
  ],
  webgl: [
    { name: 'tiny encoder', ...TINY, exampleCount: 4, tokens: 16, repetitions: 13 },
    { name: 'MiniLM-L6', ...MINI_LM, exampleCount: 1, tokens: 16, repetitions: 7 },
  ],
};

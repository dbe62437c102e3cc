import { openCompute } from '@chorale/compute';
import { expectClose } from '@chorale/testing/tolerance';
import { expect, test } from 'vitest';
import { padBatch } from '../batch.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { disposeEncoder, uploadEncoder } from './encoder.ts';
import { encoderForward } from './encoderForward.ts';
import { readTinyEncoder } from '../testing/tinyEncoder.ts';

/**
 * Hidden states of the embedded tiny encoder at [token, unit], by an independent forward pass in float64 (numpy,
 * written from the paper), and the first six units of the mean over the tokens.
 */
const GOLDEN = [
  {
    text: 'a gripping and funny story',
    length: 8,
    hidden: [
      [0, 0, 0.0491],
      [0, 1, 1.054349],
      [0, 77, 0.388524],
      [1, 5, 0.250845],
      [1, 127, -0.061974],
      [7, 0, 0.538493],
      [7, 64, 1.080906],
      [7, 100, 0.615215],
    ],
    mean: [-0.472818, 0.201304, -0.881369, 0.582907, 0.164256, -0.024452],
  },
  {
    text: 'The plot is thin, the acting dull.',
    length: 12,
    hidden: [
      [0, 0, 0.308967],
      [0, 1, 0.486818],
      [0, 77, 0.730131],
      [1, 5, -1.688683],
      [1, 127, -1.436488],
      [11, 0, 1.64619],
      [11, 64, 0.554201],
      [11, 100, 0.531952],
    ],
    mean: [-0.469561, 0.096927, -0.91375, 0.637089, -0.079467, -0.332915],
  },
  {
    text: 'unbelievably heartwarming',
    length: 11,
    hidden: [
      [0, 0, 0.076726],
      [0, 1, 0.26149],
      [0, 77, -0.110218],
      [1, 5, 0.809018],
      [1, 127, 0.652306],
      [10, 0, 1.153279],
      [10, 64, 1.050399],
      [10, 100, 0.647505],
    ],
    mean: [-0.458608, -0.217744, -1.12971, 0.148542, 0.553669, 0.821659],
  },
] as const;

test.each(['cpu', 'wasm'] as const)(
  'hidden states of the tiny encoder on %s, alone and padded together',
  async (backend) => {
    const { ops } = await openCompute(backend);
    const liveBefore = ops.liveTensors();
    const checkpoint = readCheckpoint(await readTinyEncoder());
    const { hiddenSize } = checkpoint.config;
    const encoder = uploadEncoder(ops, checkpoint);
    const sequences = GOLDEN.map(({ text }) => checkpoint.tokenizer.encode(text, null, 16).sequence);

    // 16 pads all three; 12 gives the second its own length; one row more than there are texts
    for (const maxTokens of [16, 12]) {
      const batch = padBatch(sequences, { maxTokens, padTokenId: 0, exampleCount: GOLDEN.length + 1 });
      expect(batch.tokens).toBe(maxTokens);
      const hidden = ops.scope(() => encoderForward(ops, encoder, new Map(), batch, { save: false }).hidden);
      const values = await ops.read(hidden);
      ops.dispose(hidden);
      GOLDEN.forEach((golden, n) => {
        expect(sequences[n]!.ids.length).toBe(golden.length);
        const at = (token: number, unit: number) => values[(n * maxTokens + token) * hiddenSize + unit]!;
        const found = golden.hidden.map(([token, unit]) => at(token, unit));
        expectClose(
          found,
          golden.hidden.map(([, , value]) => value),
          2e-5,
          golden.text,
        );
        const means = golden.mean.map((_, unit) => {
          const column = Array.from({ length: golden.length }, (__, token) => at(token, unit));
          return column.reduce((sum, value) => sum + value, 0) / golden.length;
        });
        expectClose(means, golden.mean, 2e-5, `mean of ${golden.text}`);
      });
      expect(values.every(Number.isFinite)).toBe(true);
    }
    disposeEncoder(ops, encoder);
    expect(ops.liveTensors()).toBe(liveBefore);
  },
);

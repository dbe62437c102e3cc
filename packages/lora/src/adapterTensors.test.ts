import { openCompute } from '@chorale/compute';
import { readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import { adapterLayout } from './adapterLayout.ts';
import { adaptersOf, disposeFrozenAdapter, uploadFrozenAdapter } from './adapterTensors.ts';
import { deriveBasis } from './basis.ts';
import { initialHead } from './parameters.ts';

test.each(['trained', 'frozen'] as const)(
  'adapters and a %s head are views of the flat parameters',
  async (head) => {
    const { ops } = await openCompute('cpu');
    const liveBefore = ops.liveTensors();
    const adapter = {
      rank: 2,
      alpha: 1,
      targetModules: ['value', 'output.dense'] as const,
      basis: 'kaiming' as const,
      head,
      seed: 3,
    };
    const layout = adapterLayout(readCheckpoint(tinyModel()).config, adapter, 2);
    const basis = deriveBasis(layout, adapter);
    const frozen = uploadFrozenAdapter(ops, layout, basis, initialHead(layout, adapter));
    const parameters = randomValues(layout.parameterCount, 4);
    const { b, headWeight } = ops.scope(() => {
      const { adapters, headWeight: weight } = adaptersOf(ops, layout, frozen, parameters);
      expect([...adapters.keys()]).toEqual(layout.modules.map(({ name }) => name));
      const last = adapters.get('encoder.layer.1.output.dense')!;
      expect([last.a.shape, last.b.shape, last.scaling]).toEqual([[12, 2], [2, 8], 0.5]);
      return { b: last.b, headWeight: weight };
    });
    const { offset } = layout.modules.at(-1)!;
    expect(await ops.read(b)).toEqual(parameters.slice(offset, offset + 16));
    expect(headWeight.shape).toEqual([8, 2]);
    expect(await ops.read(headWeight)).toEqual(
      head === 'trained' ? parameters.slice(layout.head.offset) : initialHead(layout, adapter),
    );
    ops.dispose(head === 'trained' ? [b, headWeight] : b);
    disposeFrozenAdapter(ops, frozen);
    expect(ops.liveTensors()).toBe(liveBefore);
  },
);

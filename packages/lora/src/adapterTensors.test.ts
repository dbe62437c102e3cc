import { openCompute } from '@chorale/compute';
import { frozenWeight, readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import type { AdapterConfig } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';
import { adaptersOf, disposeFrozenAdapter, uploadFrozenAdapter } from './adapterTensors.ts';
import { deriveBasis } from './basis.ts';
import type { StrategyName } from './strategies/strategies.ts';
import { STRATEGIES } from './strategies/strategies.ts';

const STRATEGY_NAMES = Object.keys(STRATEGIES) as StrategyName[];

test.each(
  STRATEGY_NAMES.flatMap((strategy) => [[strategy, 'trained'] as const, [strategy, 'frozen'] as const]),
)(
  '%s: adapters and a %s head are views of the flat parameters, or of what is frozen',
  async (strategy, headIs) => {
    const { ops } = await openCompute('cpu');
    const liveBefore = ops.liveTensors();
    const adapter: AdapterConfig = {
      strategy,
      rank: 2,
      alpha: 1,
      targetModules: ['value', 'output.dense'],
      basis: 'kaiming',
      head: headIs,
      seed: 3,
    };
    const checkpoint = readCheckpoint(tinyModel());
    const layout = adapterLayout(checkpoint.config, adapter, 3);
    const basis = deriveBasis(layout, adapter, (module) => frozenWeight(checkpoint, module));
    const start = { weight: randomValues(24, 1), bias: randomValues(3, 2) };
    const frozen = uploadFrozenAdapter(ops, layout, basis, start);
    const parameters = randomValues(layout.parameterCount, 4);
    const { a, b, weight, bias } = ops.scope(() => {
      const { adapters, head } = adaptersOf(ops, layout, frozen, parameters);
      expect([...adapters.keys()]).toEqual(layout.modules.map(({ name }) => name));
      const last = adapters.get('encoder.layer.1.output.dense')!;
      expect([last.a.shape, last.b.shape, last.scaling]).toEqual([[12, 2], [2, 8], 0.5]);
      // Copies, for the frozen ones are not this scope's to give away
      const [copyOfA, copyOfWeight, copyOfBias] = [last.a, head.weight, head.bias].map((x) =>
        ops.scale(x, 1),
      );
      return { a: copyOfA!, b: ops.scale(last.b, 1), weight: copyOfWeight!, bias: copyOfBias! };
    });
    const { offset, aOffset } = layout.modules.at(-1)!;
    expect(await ops.read(b)).toEqual(parameters.slice(offset, offset + 16));
    expect(await ops.read(a)).toEqual(
      strategy === 'ffa-lora' ? basis.at(-1) : parameters.slice(aOffset!, aOffset! + 24),
    );
    const { head } = layout;
    const trained = {
      weight: parameters.slice(head.offset, head.offset + 24),
      bias: parameters.slice(head.biasOffset, head.biasOffset + 3),
    };
    expect([weight.shape, bias.shape]).toEqual([[8, 3], [3]]);
    expect({ weight: await ops.read(weight), bias: await ops.read(bias) }).toEqual(
      headIs === 'trained' ? trained : start,
    );
    ops.dispose([a, b, weight, bias]);
    disposeFrozenAdapter(ops, frozen);
    expect(ops.liveTensors()).toBe(liveBefore);
  },
);

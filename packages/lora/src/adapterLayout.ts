import type { EncoderConfig, LayerModule } from '@chorale/model';
import { LAYER_MODULES, moduleName, moduleShape } from '@chorale/model';
import type { StrategyName } from './strategies/strategies.ts';
import { STRATEGIES } from './strategies/strategies.ts';
import type { Factors } from './strategies/strategy.ts';
import type { TargetModule } from './targetModules.ts';
import { moduleOfTarget } from './targetModules.ts';

/** What of a run's config decides the adapter. */
export type AdapterConfig = {
  strategy: StrategyName;
  rank: number;
  alpha: number;
  targetModules: readonly TargetModule[];
  basis: 'orthonormal' | 'kaiming' | 'svd';
  head: 'frozen' | 'trained';
  seed: number;
};

/** One adapted module: its sizes, and where its factors stand in the flat vector of parameters. */
export type AdaptedModule = {
  /** `encoder.layer.0.attention.self.query` */
  name: string;
  layer: number;
  module: LayerModule;
  inDim: number;
  outDim: number;
  /** B is [rank, outDim], row-major, from this offset. */
  offset: number;
  /** A is [inDim, rank], row-major, from this offset; null when the strategy never trains it and the basis is A. */
  aOffset: number | null;
};

/** A stretch of the flat vector: elements start … end - 1. */
export type TrainedRange = { start: number; end: number };

/**
 * The order of all parameters in one flat vector: B of every adapted module, layer by layer in the order of
 * `LAYER_MODULES`; the head's weight [hiddenSize, classCount] and bias [classCount] when it is trained; A of every module
 * when the strategy trains it. With the head in the middle each of B and A is one range together with it. Every update,
 * aggregate and global adapter uses this order.
 */
export type AdapterLayout = {
  strategy: StrategyName;
  rank: number;
  /** alpha / rank */
  scaling: number;
  modules: AdaptedModule[];
  /** The offsets are where the head would stand when it is frozen, and nothing of it stands there. */
  head: { rows: number; columns: number; trained: boolean; offset: number; biasOffset: number };
  parameterCount: number;
  /** What the first, second, … round trains; after the last one from the first again. */
  trainedRanges: TrainedRange[];
};

/**
 * @param classCount number of labels
 * @throws {RangeError} the rank is over a module's input size
 */
export function adapterLayout(
  encoder: EncoderConfig,
  adapter: AdapterConfig,
  classCount: number,
): AdapterLayout {
  const { strategy, rank, alpha } = adapter;
  const { turns } = STRATEGIES[strategy];
  const modules = adaptedModules(encoder, adapter);
  const headOffset = modules.reduce((offset, module) => {
    module.offset = offset;
    return offset + rank * module.outDim;
  }, 0);
  const [rows, columns, trained] = [encoder.hiddenSize, classCount, adapter.head === 'trained'];
  const biasOffset = headOffset + (trained ? rows * columns : 0);
  const headEnd = biasOffset + (trained ? columns : 0);
  let parameterCount = headEnd;
  if (turns.some((factors) => factors.a)) {
    for (const module of modules) {
      module.aOffset = parameterCount;
      parameterCount += module.inDim * rank;
    }
  }
  return {
    strategy,
    rank,
    scaling: alpha / rank,
    modules,
    head: { rows, columns, trained, offset: headOffset, biasOffset },
    parameterCount,
    trainedRanges: turns.map((factors) => ({
      start: factors.b ? 0 : headOffset,
      end: factors.a ? parameterCount : headEnd,
    })),
  };
}

/** The modules in layout order, their offsets still open. */
function adaptedModules(encoder: EncoderConfig, { targetModules, rank }: AdapterConfig): AdaptedModule[] {
  const targets = new Set<LayerModule>(targetModules.map(moduleOfTarget));
  const ofLayer = LAYER_MODULES.filter((module) => targets.has(module));
  return Array.from({ length: encoder.layerCount }, (_, layer) =>
    ofLayer.map((module) => {
      const { inDim, outDim } = moduleShape(encoder, module);
      if (rank > inDim) {
        throw new RangeError(
          `adapter.rank is ${rank}, expected at most ${inDim}, the input size of ${module}`,
        );
      }
      const name = moduleName(layer, module);
      return { name, layer, module, inDim, outDim, offset: 0, aOffset: null as number | null };
    }),
  ).flat();
}

/**
 * The factors whose gradients a range of the layout holds; the head's follow those of B and go before those of A.
 * @throws {RangeError} the layout has no such range
 */
export function factorsOfRange(layout: AdapterLayout, { start, end }: TrainedRange): Factors {
  const { trainedRanges, strategy } = layout;
  const turn = trainedRanges.findIndex((range) => range.start === start && range.end === end);
  if (turn < 0) {
    const known = trainedRanges.map((range) => `${range.start} to ${range.end}`).join(' and ');
    throw new RangeError(
      `parameters ${start} to ${end} are no range that ${strategy} trains; expected ${known}`,
    );
  }
  return STRATEGIES[strategy].turns[turn]!;
}

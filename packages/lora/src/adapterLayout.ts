import type { EncoderConfig } from '@chorale/model';
import { LAYER_MODULES, moduleName, moduleShape } from '@chorale/model';
import type { TargetModule } from './targetModules.ts';
import { moduleOfTarget } from './targetModules.ts';

/** What of a run's config decides the adapter. */
export type AdapterConfig = {
  rank: number;
  alpha: number;
  targetModules: readonly TargetModule[];
  basis: 'orthonormal' | 'kaiming';
  head: 'frozen' | 'trained';
  seed: number;
};

/** One adapted module: its sizes, and where its B stands in the flat vector of trained parameters. */
export type AdaptedModule = {
  /** `encoder.layer.0.attention.self.query` */
  name: string;
  inDim: number;
  outDim: number;
  /** B is [rank, outDim], row-major, from this offset. */
  offset: number;
};

/**
 * The order of all trained parameters in one flat vector: B of every adapted module, layer by layer in the order of
 * `LAYER_MODULES`, then the head's weight [hiddenSize, classCount] when it is trained. Every update, aggregate and
 * global adapter uses it.
 */
export type AdapterLayout = {
  rank: number;
  scaling: number;
  modules: AdaptedModule[];
  head: { rows: number; columns: number; trained: boolean; offset: number };
  parameterCount: number;
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
  const targets = new Set(adapter.targetModules.map(moduleOfTarget));
  const modules: AdaptedModule[] = [];
  let offset = 0;
  for (let layer = 0; layer < encoder.layerCount; layer++) {
    for (const module of LAYER_MODULES.filter((name) => targets.has(name))) {
      const { inDim, outDim } = moduleShape(encoder, module);
      if (adapter.rank > inDim) {
        throw new RangeError(
          `adapter.rank is ${adapter.rank}, expected at most ${inDim}, the input size of ${module}`,
        );
      }
      modules.push({ name: moduleName(layer, module), inDim, outDim, offset });
      offset += adapter.rank * outDim;
    }
  }
  const trained = adapter.head === 'trained';
  const head = { rows: encoder.hiddenSize, columns: classCount, trained, offset };
  return {
    rank: adapter.rank,
    scaling: adapter.alpha / adapter.rank,
    modules,
    head,
    parameterCount: offset + (trained ? head.rows * head.columns : 0),
  };
}

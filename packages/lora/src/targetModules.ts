import type { LayerModule } from '@chorale/model';

/** Short names of a run config (PEFT's for BERT) → module names within a layer. */
const MODULE_OF_TARGET = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  'attention.output.dense': 'attention.output.dense',
  'intermediate.dense': 'intermediate.dense',
  'output.dense': 'output.dense',
} as const satisfies Record<string, LayerModule>;

export type TargetModule = keyof typeof MODULE_OF_TARGET;

export function moduleOfTarget(target: TargetModule): LayerModule {
  return MODULE_OF_TARGET[target];
}

/** The targets that stand for these modules, each once. */
export function targetsOfModules(modules: Iterable<LayerModule>): TargetModule[] {
  const wanted = new Set(modules);
  return (Object.keys(MODULE_OF_TARGET) as TargetModule[]).filter((target) =>
    wanted.has(MODULE_OF_TARGET[target]),
  );
}

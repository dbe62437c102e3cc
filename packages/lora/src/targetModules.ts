import type { LayerModule } from '@chorale/model';

/** Short names of a run config (PEFT's) → module names within a layer. */
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

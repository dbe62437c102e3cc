import { ffaLora } from './ffaLora.ts';
import { lora } from './lora.ts';
import { rolora } from './rolora.ts';
import type { Strategy } from './strategy.ts';

/** All strategies by the name a run config has for them. */
export const STRATEGIES = { 'ffa-lora': ffaLora, lora, rolora } as const satisfies Record<string, Strategy>;

export type StrategyName = keyof typeof STRATEGIES;

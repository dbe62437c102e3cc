import { exampleCases } from './exampleCases.ts';
import { headCases } from './headCases.ts';
import { layerCases } from './layerCases.ts';
import { matrixCases } from './matrixCases.ts';
import type { OpsCase } from './opsCase.ts';

/** Every operation, forward against float64 and backward against finite differences. */
export const opsCases: readonly OpsCase[] = [...matrixCases, ...layerCases, ...headCases, ...exampleCases];

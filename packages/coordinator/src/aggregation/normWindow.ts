import type { RunPlan } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { NormWindow } from './honestNorm.ts';
import { honestNorm } from './honestNorm.ts';

/**
 * Which norms a round's updates may have (`honestNorm`).
 * @param round from 1
 * @returns null where every norm will do: the config says `off`, or nothing is noised and so there is no law
 */
export function normWindow(
  plan: Pick<RunPlan, 'config' | 'noiseMultiplier' | 'trainedRanges'>,
  round: number,
): NormWindow | null {
  const { aggregation, privacy } = plan.config;
  if (aggregation.normWindow === 'off' || privacy.unit === 'none') return null;
  return honestNorm(plan, round);
}

/**
 * @param values of one update, as decoded
 * @param window null: any norm will do
 * @throws {ChoraleError} UPDATE_OUT_OF_WINDOW
 */
export function checkNorm(values: Float32Array, window: NormWindow | null): void {
  if (window === null) return;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  const norm = Math.sqrt(squares);
  if (norm >= window.lowest && norm <= window.highest) return;
  throw new ChoraleError(
    'UPDATE_OUT_OF_WINDOW',
    `expected an update with a norm from ${window.lowest.toPrecision(4)} to ${window.highest.toPrecision(4)}, as this run's noise and clipping make it, got ${norm.toPrecision(4)}; reload the page to get the current program`,
  );
}

import { incompleteBeta } from './incompleteBeta.ts';

/**
 * Upper confidence bound for the probability of an event that was seen `events` times in `trials` independent trials:
 * the largest p for which so few events are no rarer than `errorProbability` (Clopper and Pearson 1934). It holds for
 * every true p and every number of trials, without an approximation.
 * @param events           an integer from 0 to trials
 * @param trials           an integer ≥ 1
 * @param errorProbability in (0, 1): how often the true p may lie above the bound
 * @returns in (0, 1]
 * @throws {RangeError} an argument is out of its range
 */
export function clopperPearsonUpper(events: number, trials: number, errorProbability: number): number {
  if (!Number.isSafeInteger(trials) || trials < 1) {
    throw new RangeError(`trials must be an integer of at least 1, got ${trials}`);
  }
  if (!Number.isSafeInteger(events) || events < 0 || events > trials) {
    throw new RangeError(`events must be an integer from 0 to ${trials}, got ${events}`);
  }
  if (!(errorProbability > 0 && errorProbability < 1)) {
    throw new RangeError(`errorProbability must be in (0, 1), got ${errorProbability}`);
  }
  if (events === trials) return 1;
  let below = events / trials;
  let above = 1;
  while (above - below > 1e-12 * above) {
    const middle = (below + above) / 2;
    // Pr[at most `events`] falls with p
    const soFew = incompleteBeta(1 - middle, trials - events, events + 1);
    if (soFew > errorProbability) below = middle;
    else above = middle;
    if (middle === below && middle === above) break;
  }
  return above;
}

/** Lower confidence bound, likewise; in [0, 1). */
export function clopperPearsonLower(events: number, trials: number, errorProbability: number): number {
  return 1 - clopperPearsonUpper(trials - events, trials, errorProbability);
}

/** A random integer in [0, bound), uniform. Injected, so that tests repeat. */
export type RandomInt = (bound: number) => number;

/**
 * Chooses members at random, each subset of the size equally likely (partial Fisher-Yates).
 * @param candidates contributor ids, without repeats
 * @param size       how many to choose; all of them when there are fewer
 */
export function chooseMembers(candidates: readonly string[], size: number, random: RandomInt): string[] {
  const pool = [...candidates];
  const chosen = Math.min(size, pool.length);
  for (let i = 0; i < chosen; i++) {
    const j = i + random(pool.length - i);
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  return pool.slice(0, chosen);
}

import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedRun } from '@chorale/protocol';
import { fuzzRun } from './fuzzRun.ts';
import { FuzzWorld } from './fuzzWorld.ts';

/** Seeds that failed once, with the scripted client or the checks of that day, and what they found. Kept for ever. */
const FOUND: readonly { seed: number; found: string }[] = [
  { seed: 1, found: 'a client that drops a late update leaves its round without anybody who could deliver' },
  { seed: 83, found: 'the answer to a late update that is sent again gets lost' },
  { seed: 104, found: 'a copy on an old connection overtakes the refusal of one on the new connection' },
];
const SEEDS = Array.from({ length: 300 }, (_, k) => k + 1);
const STEPS = 700;

let run: ResolvedRun;
beforeAll(async () => {
  run = await fuzzRun();
});

/** @throws {Error} naming the seed */
function live(seed: number): FuzzWorld {
  const world = new FuzzWorld(run, seed);
  try {
    for (let k = 0; k < STEPS && !world.hasEnded; k++) world.step();
    world.finish();
    world.checkHeard();
    return world;
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

describe('a run over sockets that fail', () => {
  it.each(FOUND)('seed $seed: $found', ({ seed }) => {
    expect(live(seed).hasEnded).toBe(true);
  });

  it(`loses nothing, counts nothing twice and ends, for ${SEEDS.length} seeds`, () => {
    const worlds = SEEDS.map(live);
    const sum = (of: (world: FuzzWorld) => number) => worlds.reduce((total, world) => total + of(world), 0);
    // It must have gone through what it is about, or it proves nothing.
    expect(sum(({ counts }) => counts.acknowledged)).toBeGreaterThan(10 * SEEDS.length);
    expect(sum(({ counts }) => counts.heardLate)).toBeLessThan(SEEDS.length / 10);
    expect(sum(({ counts }) => counts.crashes)).toBeGreaterThan(SEEDS.length);
    expect(sum(({ counts }) => counts.failedWrites)).toBeGreaterThan(SEEDS.length);
    expect(sum(({ counts }) => counts.cuts)).toBeGreaterThan(SEEDS.length);
    expect(sum(({ counts }) => counts.jumps)).toBeGreaterThan(SEEDS.length);
    const completed = worlds.filter((world) => world.server.view.status === 'completed');
    expect(completed.length).toBeGreaterThan(SEEDS.length / 2);
  });
});

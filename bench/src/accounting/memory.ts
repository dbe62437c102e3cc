import { dpSgdEvent, pldEpsilon } from '@chorale/privacy';

/*
 * A process of its own: the resident memory before any accounting, and at its highest after each of some evaluations, of
 * which the last needs the finest grid. Prints one JSON object.
 */

const EVALUATIONS = [
  { samplingRate: 0.04, noiseMultiplier: 1.5, count: 2250, delta: 1e-5 },
  { samplingRate: 0.01, noiseMultiplier: 1, count: 100_000, delta: 1e-10 },
  // Many steps in which nearly nothing happens, and then much.
  { samplingRate: 2.5e-4, noiseMultiplier: 0.74, count: 60_000, delta: 1e-6 },
  { samplingRate: 1e-4, noiseMultiplier: 0.6, count: 100_000, delta: 1e-10 },
];

const highestMiB = (): number => Math.round(process.resourceUsage().maxRSS / 1024);
const beforeMiB = highestMiB();
const evaluations = EVALUATIONS.map(({ delta, count, ...mechanism }) => {
  const start = performance.now();
  const epsilon = pldEpsilon(dpSgdEvent(mechanism.samplingRate, mechanism.noiseMultiplier, count), delta);
  return {
    ...mechanism,
    count,
    delta,
    epsilon,
    ms: Math.round(performance.now() - start),
    highestMiB: highestMiB(),
  };
});
process.stdout.write(JSON.stringify({ beforeMiB, evaluations }));

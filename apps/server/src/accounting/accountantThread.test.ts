import { expect, it } from 'vitest';
import type { PrivacyPlan } from '@chorale/privacy';
import { rdpEpsilon, eventOfRounds, roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import { priceInThread } from './accountantThread.ts';

const PLAN: PrivacyPlan = {
  unit: 'example',
  clipping: 'flat',
  clippingNorm: 1,
  noiseMultiplier: 1,
  noise: 'rounded-gaussian',
  samplingRate: 0.05,
  localSteps: 10,
  expectedBatchSize: 8,
  learningRate: 0.5,
  targetDelta: 1e-5,
  localMetricsNoiseMultiplier: null,
};

it('prices as a tab does, and says so when Rényi accounting had to stand in', async () => {
  expect(await priceInThread(PLAN, 7, 'background')).toEqual({
    epsilon: roundEpsilonUp(spentEpsilonAfter(PLAN, 7)),
    reason: null,
  });
  const beyond = { ...PLAN, targetDelta: 1e-13 }; // PLD vouches for 1e-12 and more
  expect(await priceInThread(beyond, 7, 'urgent')).toEqual({
    epsilon: roundEpsilonUp(rdpEpsilon(eventOfRounds(beyond, 7), 1e-13)),
    reason: expect.stringMatching(/^Rényi accounting.* because delta must be at least/) as string,
  });
  await expect(priceInThread({ ...PLAN, noiseMultiplier: -1 }, 7, 'urgent')).rejects.toThrow(
    /noiseMultiplier/,
  );
});

import { neededModelFiles, packModel } from '@chorale/model';
import { mechanismOf } from '@chorale/privacy';
import {
  describeAdapter,
  exportPeft,
  parseLabelledRows,
  privacyPlanOf,
  resolveNoiseMultiplier,
} from '@chorale/trainer';
import { priceInThread } from './accounting/accountantThread.ts';
import { openEvaluatorThread } from './evaluation/evaluatorThread.ts';
import type { ServerParts } from './serverParts.ts';

/** The server's parts from `@chorale/trainer` and `@chorale/privacy`; evaluation and accounting run in worker threads. */
export const trainerParts: ServerParts = {
  neededModelFiles,
  packModel,
  describeAdapter,
  exportPeft,
  parseLabelledRows,
  resolveNoiseMultiplier,
  priceRounds: (plan, rounds, urgency) => priceInThread(privacyPlanOf(plan), rounds, urgency),
  localCountsNoiseStdDev: (plan) => mechanismOf(privacyPlanOf(plan)).localCounts?.noiseStdDev ?? null,
  openEvaluation: (job) => openEvaluatorThread(job),
};

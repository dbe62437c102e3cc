import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import {
  MODEL_FILE_NAMES,
  describeAdapter,
  exportPeft,
  parseLabelledRows,
  privacyPlanOf,
  resolveNoiseMultiplier,
} from '@chorale/trainer';
import { openEvaluatorThread } from './evaluation/evaluatorThread.ts';
import type { ServerParts } from './serverParts.ts';

/** The server's parts from `@chorale/trainer` and `@chorale/privacy`; evaluation runs in a worker thread. */
export const trainerParts: ServerParts = {
  modelFileNames: MODEL_FILE_NAMES,
  describeAdapter,
  exportPeft,
  parseLabelledRows,
  resolveNoiseMultiplier,
  spentEpsilon(plan, rounds) {
    if (plan.config.privacy.unit === 'none') return null;
    return roundEpsilonUp(spentEpsilonAfter(privacyPlanOf(plan), rounds));
  },
  openEvaluation: (job) => openEvaluatorThread(job),
};

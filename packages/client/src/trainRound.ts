import { proxy } from 'comlink';
import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { roundEvent } from '@chorale/privacy';
import { ChoraleError, canonicalJson } from '@chorale/protocol';
import { Silence, stuckMessage } from './timeLimits.ts';
import type { RoundTask, TrainedRound } from './trainerHost.ts';
import type { TrainerRemote } from './workerLink.ts';

/**
 * Has a round trained in the worker, and holds what comes of it against the plan.
 * @param onStep called with the number of steps done, at first with 0
 * @param stepTimeoutMs a device that makes no step for so long is stuck
 * @throws {StuckError} it is stuck; {ChoraleError} PLAN_CHANGED: what came releases other than the plan says; and
 *   whatever the worker throws, DEVICE_ERROR among it
 */
export async function trainRound(
  task: RoundTask,
  options: {
    trainer: TrainerRemote;
    plan: PrivacyPlan;
    stepTimeoutMs: number;
    onStep: (step: number) => void;
  },
): Promise<TrainedRound> {
  const { trainer, plan, stepTimeoutMs, onStep } = options;
  const silence = new Silence(stepTimeoutMs, stuckMessage(stepTimeoutMs));
  let over = false;
  const showStep = (step: number) => {
    // Steps have a channel of their own: the last of them may arrive after the answer
    if (over) return;
    silence.heard();
    onStep(step);
  };
  onStep(0);
  try {
    const trained = await Promise.race([trainer.trainRound(task, proxy(showStep)), silence.tooLong]);
    requireSameEvent(trained.event, roundEvent(plan));
    return trained;
  } finally {
    over = true;
    silence.end();
  }
}

/**
 * Has the worker open its device again and try it out.
 * @param stepTimeoutMs a device of which nothing is heard for so long is stuck
 * @throws {StuckError} it is stuck; and whatever the worker throws
 */
export async function recoverDevice(trainer: TrainerRemote, stepTimeoutMs: number): Promise<void> {
  const silence = new Silence(stepTimeoutMs, stuckMessage(stepTimeoutMs));
  try {
    await Promise.race([trainer.recoverDevice(proxy(() => silence.heard())), silence.tooLong]);
  } finally {
    silence.end();
  }
}

/** What is charged is what was released, by the word of the mechanisms that released it. */
function requireSameEvent(released: DpEvent, planned: DpEvent): void {
  const [came, expected] = [canonicalJson(released), canonicalJson(planned)];
  if (came === expected) return;
  throw new ChoraleError(
    'PLAN_CHANGED',
    `Expected an update that releases what the plan says, ${expected}, got one of ${came}. Nothing more is sent. Reload the page; if this stays, tell the person who runs the run.`,
  );
}

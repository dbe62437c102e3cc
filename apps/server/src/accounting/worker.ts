import { parentPort } from 'node:worker_threads';
import { eventOfRounds, reportedEpsilon, roundEpsilonUp } from '@chorale/privacy';
import type { Answer } from '../askedThread.ts';
import type { Price } from '../serverParts.ts';
import type { PricedRounds } from './accountantThread.ts';

/*
 * The thread that prices rounds: one evaluation of the tight accountant takes tens of milliseconds, in which a server
 * should answer. It takes one PricedRounds a message and answers each with its price.
 */
function answerTo({ plan, rounds }: PricedRounds): Answer<Price> {
  try {
    const { epsilon, reason } = reportedEpsilon(eventOfRounds(plan, rounds), plan.targetDelta);
    return { ok: true, value: { epsilon: roundEpsilonUp(epsilon), reason } };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on('message', (question: PricedRounds) => parentPort!.postMessage(answerTo(question)));

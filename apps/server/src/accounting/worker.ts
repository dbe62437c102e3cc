import { parentPort } from 'node:worker_threads';
import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import type { Answer } from '../askedThread.ts';
import type { PricedRounds } from './accountantThread.ts';

/*
 * The thread that prices rounds: one evaluation of the tight accountant takes tens of milliseconds, in which a server
 * should answer. It takes one PricedRounds a message and answers each with its epsilon, rounded up.
 */
function answerTo({ plan, rounds }: PricedRounds): Answer<number> {
  try {
    return { ok: true, value: roundEpsilonUp(spentEpsilonAfter(plan, rounds)) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on('message', (question: PricedRounds) => parentPort!.postMessage(answerTo(question)));

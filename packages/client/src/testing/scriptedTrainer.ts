import { expose, wrap } from 'comlink';
import type { DpEvent, Privatized } from '@chorale/privacy';
import { roundEvent } from '@chorale/privacy';
import type { Binding, PublicRun } from '@chorale/protocol';
import { bindingOf, encodeUpdate, trainedRangeOf } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import { accounting } from '../accounting.ts';
import type { Progress } from '../runModel.ts';
import type { DeviceReport, RowsReport, TablePreview } from '../state.ts';
import type { TrainedRound, TrainerHost } from '../trainerHost.ts';
import type { TrainerRemote, TrainerWorker } from '../workerLink.ts';
import { abortError, carryErrorCodes } from '../workerLink.ts';

/** Over the channel: resolves when the page has heard it. */
type ChoiceProgress = (...progress: Parameters<Progress>) => Promise<void>;
type RoundTask = Parameters<TrainerHost['trainRound']>[0];

/** One call of `trainRound`, which ends when the test says so. */
export type TrainingCall = RoundTask & {
  step: (step: number) => void;
  /** @returns the bytes it gave out: real ones, other ones at every call as with fresh noise */
  finish: () => Uint8Array;
  fail: (error: Error) => void;
};

const DEVICE: DeviceReport = {
  candidates: [],
  backend: 'wasm',
  reason: 'for the test',
  forced: false,
  troubles: [],
};
const TABLE: TablePreview = {
  name: 'mine.csv',
  format: 'csv',
  columns: ['text', 'label'],
  rowCount: 9,
  firstRows: [],
  suggestedText: 'text',
  suggestedTextPair: null,
  suggestedLabel: 'label',
};
const ROWS: RowsReport = { used: 9, skipped: [], labelCounts: [], cut: 0 };

carryErrorCodes();

/** A trainer behind a real message channel that trains nothing: its test says when a round ends, and how. */
export class ScriptedTrainer {
  readonly calls: TrainingCall[] = [];
  cancels = 0;
  /** What happens to the round in work when it is cancelled; a real one stops after its present step. */
  onCancel: 'abort' | 'go-on' = 'abort';
  /** Calls of `recoverDevice` that wait for the test to say how they end. */
  readonly recoveries: { finish: () => void; fail: (error: Error) => void }[] = [];
  /** The next call of these never answers, as with a worker that died. */
  readonly silent = new Set<'checkDevice' | 'openTable' | 'chooseColumns' | 'setRun' | 'roundsWithin'>();
  terminated = 0;
  /** Shows progress of the last choice of rows, also when it was answered. */
  choiceProgress: ChoiceProgress = () => Promise.resolve();
  /** It prices a release when this has resolved. */
  beforePrice: () => Promise<void> = () => Promise.resolve();
  /** What it says that its updates release. */
  event: DpEvent;
  readonly #binding: Binding;
  readonly #channel = new MessageChannel();
  readonly #remote: TrainerRemote;
  #onFailed: (error: Error) => void = () => undefined;
  #reject: ((error: Error) => void) | null = null;

  constructor(run: PublicRun['run']) {
    this.#binding = bindingOf(run);
    this.event = roundEvent(privacyPlanOf(run.plan));
    const answer = async <T>(name: Parameters<typeof this.silent.has>[0], value: T): Promise<T> =>
      this.silent.has(name) ? await new Promise<T>(() => undefined) : value;
    const host = {
      epsilonOf: async (...question: Parameters<typeof accounting.epsilonOf>) => {
        await this.beforePrice();
        return accounting.epsilonOf(...question);
      },
      roundsWithin: (...question: Parameters<typeof accounting.roundsWithin>) =>
        answer('roundsWithin', accounting.roundsWithin(...question)),
      trainRound: (task: RoundTask, onStep: (step: number) => void) => this.#trainRound(task, onStep),
      recoverDevice: () =>
        new Promise<void>((resolve, reject) => {
          this.recoveries.push({ finish: () => resolve(), fail: reject });
        }),
      cancelRound: () => {
        this.cancels += 1;
        if (this.onCancel === 'abort') this.#reject?.(abortError());
      },
      setRun: () => answer('setRun', undefined),
      checkDevice: () => answer('checkDevice', DEVICE),
      openTable: () => answer('openTable', TABLE),
      closeTable: () => undefined,
      chooseColumns: (_: unknown, progress: ChoiceProgress) => {
        this.choiceProgress = progress;
        return answer('chooseColumns', ROWS);
      },
    };
    expose(host, this.#channel.port1);
    this.#remote = wrap<TrainerHost>(this.#channel.port2);
  }

  get remote(): TrainerRemote {
    return this.#remote;
  }

  worker(): TrainerWorker {
    return {
      trainer: this.#remote,
      terminate: () => {
        this.terminated += 1;
      },
      onFailed: (listener) => {
        this.#onFailed = listener;
      },
    };
  }

  /** The worker dies: from now on `onFailed` is all that is heard of it. */
  die(): void {
    this.#onFailed(new Error('the worker died'));
  }

  close(): void {
    this.#channel.port1.close();
    this.#channel.port2.close();
  }

  #trainRound(task: RoundTask, step: (step: number) => void): Promise<TrainedRound> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      const finish = () => {
        const { start, end } = trainedRangeOf(this.#binding, task.round);
        const values = crypto.getRandomValues(new Int16Array(end - start));
        // The one place where a test says of numbers that they are privatized
        const update = { values: Float32Array.from(values) } as unknown as Privatized<Float32Array>;
        const payload = encodeUpdate(update, task.round, this.#binding);
        resolve({ payload, event: this.event });
        return Uint8Array.from(payload);
      };
      // A remote function that a failing assertion prints would be called over the channel
      this.calls.push({ ...task, step: (done) => step(done), finish, fail: reject });
    });
  }
}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evaluation } from '@chorale/trainer';
import { writeAtomically } from './atomicFile.ts';

/** One line of `rounds.jsonl`. Everything but `seconds` is the same however often a simulation is repeated. */
export type SimulatedRound = {
  /** From 1. */
  round: number;
  /** On the run's test file; null without one, and in rounds that are not tested. */
  testAccuracy: number | null;
  /** Mean cross entropy in nats; null also where it overflowed. */
  testLoss: number | null;
  /** At targetDelta, of the client who took part most often so far, rounded up; null when privacy.unit is none. */
  epsilon: number | null;
  uplinkBytesPerClient: number;
  /** ‖avg(BA) − avg(B)avg(A)‖ over the norm of the round's change of BA; see `aggregationError` of @chorale/lora. */
  aggregationError: number;
  /** Wall time, test included. */
  seconds: number;
  /** Numbers, from 1, of the clients who trained. */
  cohort: number[];
};

/** What a test found, as JSON can hold it: a loss that overflowed, or is not a number, is null. */
export type RecordedEvaluation = { accuracy: number; loss: number | null };

/** What a resumed simulation reads must be what a fresh one holds. */
export function recordable({ accuracy, loss }: Evaluation): RecordedEvaluation {
  return { accuracy, loss: Number.isFinite(loss) ? loss : null };
}

/** All that a seed needs to go on after its last complete round. */
export type SeedState = {
  /** Of the adapter before the first round; null without a test file. */
  initial: RecordedEvaluation | null;
  rounds: SimulatedRound[];
  /** The global adapter, [parameterCount]. */
  parameters: Float64Array;
  /** What the server's optimizer carries from round to round (`nextAdapter`). */
  optimizerState: Float64Array | null;
};

/** `SeedState` as JSON: arrays are the base64 of their bytes. */
type WrittenState = Omit<SeedState, 'parameters' | 'optimizerState'> & {
  parameters: string;
  optimizerState: string | null;
};

const STATE_FILE = 'state.json';
const ROUNDS_FILE = 'rounds.jsonl';

/** @returns null where no state was written yet */
export function readSeedState(directory: string): SeedState | null {
  const path = join(directory, STATE_FILE);
  if (!existsSync(path)) return null;
  const { parameters, optimizerState, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as WrittenState;
  return {
    ...rest,
    parameters: fromBase64(parameters),
    optimizerState: optimizerState === null ? null : fromBase64(optimizerState),
  };
}

/** Replaces state and `rounds.jsonl`; the state is the one that counts, and the other file follows from it. */
export function writeSeedState(directory: string, state: SeedState): void {
  const { initial, rounds, parameters, optimizerState } = state;
  const written: WrittenState = {
    initial,
    rounds,
    parameters: toBase64(parameters),
    optimizerState: optimizerState === null ? null : toBase64(optimizerState),
  };
  writeAtomically(join(directory, STATE_FILE), JSON.stringify(written));
  writeRounds(directory, rounds);
}

/** Also at the start: a kill can fall between the two files. */
export function writeRounds(directory: string, rounds: readonly SimulatedRound[]): void {
  writeAtomically(join(directory, ROUNDS_FILE), rounds.map((round) => `${JSON.stringify(round)}\n`).join(''));
}

function toBase64({ buffer, byteOffset, byteLength }: Float64Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function fromBase64(text: string): Float64Array {
  // A copy: a Buffer's bytes need not begin where float64 may
  return new Float64Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
}

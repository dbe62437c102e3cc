import { runStateSchema } from '@chorale/protocol';
import type { EngineState } from './engineState.ts';
import { hasEnded, openRound } from './engineState.ts';
import type { RoundRules } from './roundRules.ts';
import { cohortView, nextTimeoutMs, runView } from './runView.ts';
import { restoreState, serializeState } from './storedState.ts';
import type { TransitionName, TransitionRow } from './transitions.ts';
import { TRANSITIONS } from './transitions.ts';

const ROWS: ReadonlyMap<string, TransitionRow> = new Map(TRANSITIONS.map((row) => [row.name, row]));

/** `expect` costs microseconds, and a fuzz asks millions of times. @throws {Error} `what` does not hold */
export function checkThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`expected: ${what}`);
}

export function checkSame(got: readonly string[], wanted: readonly string[], what: string): void {
  checkThat(
    got.length === wanted.length && got.every((one, k) => one === wanted[k]),
    `${what}: ${wanted.join(' ')}; got ${got.join(' ')}`,
  );
}

/** What is true of every state right after a step at `nowMs`, however the run came there. */
export function checkState(state: EngineState, rules: RoundRules, nowMs: number): void {
  const view = runView(state, rules, nowMs);
  const parsed = runStateSchema.safeParse({ runId: 'fuzz', ...view });
  checkThat(parsed.success, `a valid run state, got ${JSON.stringify(view)}`);
  checkThat(view.received <= view.cohort, 'at most the cohort is received');
  checkThat(view.cohort <= rules.askedSize, 'no more than askedSize members');
  checkThat(state.received.size <= rules.cohortSize, 'a round closes with cohortSize updates');
  const members = cohortView(state, nowMs);
  checkThat(
    new Set(members.map((member) => member.contributorId)).size === members.length,
    'each member once',
  );
  checkCounts(state);
  checkLimits(state, rules, nowMs);
}

/** What is stored is the same state again, for the same updates, with nobody there. */
export function checkRestores(state: EngineState, rules: RoundRules, nowMs: number): void {
  const received = state.received.sortedKeys();
  const restored = restoreState(serializeState(state), rules, nowMs, () => received);
  const { phase } = restored.durable;
  checkThat(phase.status === state.durable.phase.status, 'a restart keeps the status');
  checkSame(restored.received.sortedKeys(), received, 'a restart keeps what was received');
  const [cohort, before] = [cohortView(restored, nowMs), cohortView(state, nowMs)];
  checkSame(
    cohort.map((member) => member.contributorId),
    before.map((member) => member.contributorId),
    'a restart keeps the cohort',
  );
}

/** The counters say what counting would. */
function checkCounts(state: EngineState): void {
  const cohort = openRound(state.durable.phase)?.cohort;
  const available = [...state.presence].filter(([, isAvailable]) => isAvailable).map(([id]) => id);
  const choosable = available.filter((id) => !state.received.has(id));
  const training = choosable.filter((id) => cohort?.has(id));
  const { counts } = state;
  checkThat(counts.available === available.length, `${available.length} available, got ${counts.available}`);
  checkThat(counts.choosable === choosable.length, `${choosable.length} choosable, got ${counts.choosable}`);
  checkThat(counts.training === training.length, `${training.length} training, got ${counts.training}`);
}

/** Nobody waits longer than a limit says, and whatever waits for a machine has one. */
function checkLimits(state: EngineState, rules: RoundRules, nowMs: number): void {
  const { phase } = state.durable;
  const timeoutMs = nextTimeoutMs(state, rules, nowMs) ?? Infinity;
  checkThat(timeoutMs > nowMs, 'the next tick is to come');
  const open = openRound(phase);
  if (open) {
    checkThat(open.deadlineMs > nowMs, 'an open round has not passed its deadline');
    checkThat(open.deadlineMs <= nowMs + rules.deadlineMs, 'its deadline is no further than one deadline');
    checkThat(timeoutMs <= open.deadlineMs, 'a tick comes at the deadline');
    checkThat(state.counts.training + state.graces.size > 0, 'an open round waits for somebody');
    const longestMs = Math.max(rules.reconnectGraceMs * 1.1, rules.restartGraceMs);
    for (const [contributorId, endsMs] of state.graces) {
      checkThat(endsMs > nowMs && endsMs <= nowMs + longestMs, 'a grace is to end in time');
      checkThat(timeoutMs <= endsMs, 'a tick comes when it ends');
      checkThat(open.cohort.has(contributorId), 'only members have a grace');
      checkThat(!state.received.has(contributorId), 'nobody waits for who has delivered');
      checkThat(state.presence.get(contributorId) !== true, 'nobody who is there has a grace');
    }
  } else {
    checkThat(state.graces.size === 0, 'graces belong to open rounds');
  }
  if (phase.status === 'evaluating') {
    checkThat(timeoutMs <= nowMs + rules.evaluationLimitMs, 'an evaluation has a limit');
  }
  if (phase.status === 'recruiting') {
    checkThat(phase.notBeforeMs <= nowMs + rules.backoffLimitMs, 'a backoff is no longer than its limit');
    checkThat(phase.sinceMs <= nowMs, 'recruiting began before now');
  }
  if (hasEnded(phase)) checkThat(timeoutMs === Infinity, 'an ended run waits for nothing');
}

/** The step went by rows of TRANSITIONS, one after the other, from the one status to the other. */
export function checkTransitions(
  before: EngineState,
  after: EngineState,
  names: readonly TransitionName[],
): void {
  let { status } = before.durable.phase;
  for (const name of names) {
    const row = ROWS.get(name);
    checkThat(row?.from.includes(status) === true, `a row of TRANSITIONS for ${name} from ${status}`);
    status = row?.to ?? status;
  }
  checkThat(
    status === after.durable.phase.status,
    `${after.durable.phase.status} after ${names.join(', ')}; the table says ${status}`,
  );
}

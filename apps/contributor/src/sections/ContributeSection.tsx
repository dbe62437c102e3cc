import type { RunState } from '@chorale/protocol';
import type {
  Contribution,
  ContributorController,
  ContributorState,
  Participation,
  StopReason,
} from '@chorale/client';
import {
  Button,
  ConfirmButton,
  Meter,
  Notice,
  Progress,
  Shape,
  Stat,
  formatBytes,
  formatSentence,
  useNow,
} from '@chorale/ui';
import type { ShapeName } from '@chorale/ui';
import { allowedEpsilon } from '../limits.ts';
import { messages } from '../messages.ts';
import { ContributionsTable } from './ContributionsTable.tsx';
import { SharedModel } from './SharedModel.tsx';
import { WhenToContribute } from './WhenToContribute.tsx';

const text = messages.contribute;

const NOT_SENT: Contribution['outcome'][] = ['computing', 'abandoned', 'unsent'];

export type ContributeSectionProps = {
  state: ContributorState;
  runState: RunState | null;
  controller: ContributorController;
};

/** Section 5: what this tab is doing and why, what was spent of what her limits allow, and the controls. */
export function ContributeSection({ state, runState, controller }: ContributeSectionProps) {
  const { participation, contributions, spentEpsilon } = state;
  const allowed = allowedEpsilon(state.limits, state.plannedEpsilon);
  const ended = participation.status === 'stopped';
  const isPrivate = state.run.status === 'ready' && state.run.value.run.plan.config.privacy.unit !== 'none';
  const accepted = contributions.filter((contribution) => contribution.outcome === 'accepted').length;
  const sentBytes = contributions
    .filter(({ outcome }) => !NOT_SENT.includes(outcome))
    .reduce((sum, contribution) => sum + contribution.payloadBytes, 0);
  return (
    <>
      <StateLine
        participation={participation}
        accepted={accepted}
        onlyVisible={state.conditions?.choices.hidden ?? false}
      />
      {participation.status === 'stopped' && participation.because === 'unknown-here' && (
        <StartAnew controller={controller} />
      )}
      <StateProgress participation={participation} />
      {!isPrivate && (
        <Notice kind="error" loud title={text.unprotected}>
          <p>{text.unprotectedText}</p>
        </Notice>
      )}
      {spentEpsilon !== null && allowed !== null && (
        <Meter
          label={text.spent}
          value={spentEpsilon}
          max={allowed}
          text={text.spentOf(spentEpsilon, allowed)}
          spentEpsilon={spentEpsilon}
        />
      )}
      {!ended && <Controls participation={participation} controller={controller} />}
      {!ended && state.conditions !== null && (
        <WhenToContribute
          conditions={state.conditions}
          onChoose={(choices) => controller.setConditions(choices)}
        />
      )}
      <dl className="ch-stats">
        {runState !== null && (
          <Stat label={text.round}>{text.roundOf(runState.round, runState.roundCount)}</Stat>
        )}
        <Stat label={text.contributed}>{accepted}</Stat>
        <Stat label={text.sent}>{formatBytes(sentBytes)}</Stat>
      </dl>
      <ContributionsTable contributions={contributions} isPrivate={isPrivate} />
      <SharedModel rounds={state.rounds} roundCount={runState?.roundCount ?? 1} />
    </>
  );
}

function StateLine({
  participation,
  accepted,
  onlyVisible,
}: {
  participation: Participation;
  accepted: number;
  /** Her choice: a hidden tab pauses. */
  onlyVisible: boolean;
}) {
  const { title, reason } = text.state(participation);
  const stopped = participation.status === 'stopped' ? participation : null;
  const offerAgain = stopped !== null && START_OVER.includes(stopped.because);
  return (
    <div className="state">
      {/* Only what changes seldom is read out: not steps, not seconds. */}
      <div role="status">
        <p className="state-title">
          <Shape name={SHAPES[participation.status]} />
          {title}
        </p>
        <p>{formatSentence(reason)}</p>
        {stopped !== null && (
          <p>
            {/* What the other tab sent is not known here. */}
            {stopped.because !== 'other-tab' && text.endLine(accepted)} {text.endHelp[stopped.because]}
          </p>
        )}
      </div>
      {participation.status === 'reading' && (
        <p>
          {text.endLine(accepted)} {text.reading}
        </p>
      )}
      {participation.status === 'disconnected' && <NextTry atMs={participation.nextTryAtMs} />}
      {KEEP_OPEN.includes(participation.status) && (
        <p className="ch-small ch-muted">{onlyVisible ? text.keepVisible : text.keepOpen}</p>
      )}
      {offerAgain && (
        <p>
          <a href={location.href}>{messages.startOver}</a>
        </p>
      )}
    </div>
  );
}

/** Never by itself: a server that forgot her must not make one contributor two without her knowing. */
function StartAnew({ controller }: { controller: ContributorController }) {
  const { label, question, confirm, cancel } = text.startAnew;
  const startAnew = async () => {
    // The device was let go when taking part ended
    if (await controller.startAnew()) location.reload();
  };
  return (
    <div className="ch-row">
      <ConfirmButton
        label={label}
        question={question}
        confirmLabel={confirm}
        cancelLabel={cancel}
        onConfirm={startAnew}
      />
    </div>
  );
}

/** Not read out: it changes every second. */
function NextTry({ atMs }: { atMs: number | null }) {
  const nowMs = useNow();
  return (
    <p className="ch-muted">{text.reconnecting(atMs === null ? null : Math.ceil((atMs - nowMs) / 1000))}</p>
  );
}

function StateProgress({ participation }: { participation: Participation }) {
  if (participation.status === 'preparing') {
    return <Progress label={text.preparing} value={participation.fraction} />;
  }
  if (participation.status === 'training') {
    const { step, localSteps } = participation;
    return (
      <Progress
        label={text.stepLabel}
        value={step}
        max={localSteps}
        detail={text.stepDetail(step, localSteps)}
      />
    );
  }
  return null;
}

function Controls({
  participation,
  controller,
}: {
  participation: Participation;
  controller: ContributorController;
}) {
  const ownPause = participation.status === 'paused' && participation.by === 'you';
  return (
    <div className="ch-row">
      {ownPause && (
        <Button variant="primary" onClick={() => controller.resume()}>
          {text.resume}
        </Button>
      )}
      {participation.status === 'paused' && !ownPause && (
        <Button variant="primary" onClick={() => controller.goOn()}>
          {text.goOn}
        </Button>
      )}
      {!ownPause && participation.status !== 'reading' && (
        <Button onClick={() => controller.pause()}>{text.pause}</Button>
      )}
      <ConfirmButton
        label={text.stop}
        question={text.stopQuestion}
        confirmLabel={text.stopForGood}
        cancelLabel={text.keepGoing}
        onConfirm={() => controller.stop()}
      />
    </div>
  );
}

/** Ends after which the same page can be tried again. */
const START_OVER: readonly StopReason[] = ['device-error', 'other-tab', 'not-invited', 'replaced', 'refused'];

/** States that end, or get nowhere, when the tab is closed. */
const KEEP_OPEN: readonly Participation['status'][] = [
  'not-joined',
  'preparing',
  'waiting',
  'training',
  'sending',
  'paused',
  'recovering',
];

const SHAPES: Record<Participation['status'], ShapeName> = {
  'not-joined': 'ring',
  preparing: 'dashed',
  waiting: 'ring',
  training: 'half',
  sending: 'arrow',
  paused: 'pause',
  recovering: 'dashed',
  // Her limit did what it is for: no fault.
  reading: 'check',
  disconnected: 'triangle',
  stopped: 'square',
};

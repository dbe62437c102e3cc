import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { ENDED_STATUSES } from '@chorale/protocol';
import type { ContributorController } from '@chorale/client';
import { Brand } from '@chorale/ui';
import { messages } from './messages.ts';
import { Step } from './Step.tsx';
import { ClosingNote } from './sections/ClosingNote.tsx';
import { ContributeSection } from './sections/ContributeSection.tsx';
import { DataSection } from './sections/DataSection.tsx';
import { DeviceSection } from './sections/DeviceSection.tsx';
import { PrivacySection } from './sections/PrivacySection.tsx';
import { RunSection } from './sections/RunSection.tsx';

const text = messages.steps;

export type AppProps = {
  controller: ContributorController;
  /** What the address asks to compute with, when there is no such backend. */
  unknownBackend: string | null;
};

/** The whole contributor page: five numbered sections, each opening when the one before it is done. */
export function App({ controller, unknownBackend }: AppProps) {
  const state = useSyncExternalStore(controller.subscribe, controller.getState);
  const [agreedAt, setAgreedAt] = useState<Date | null>(null);
  const [declined, setDeclined] = useState(false);
  const started = useRef(false);

  useEffect(() => {
    if (started.current) return;
    started.current = true;
    void controller.loadRun().then(() => controller.checkDevice());
  }, [controller]);

  const publicRun = state.run.status === 'ready' ? state.run.value : null;
  const runName = publicRun?.run.plan.config.name ?? null;
  useEffect(() => {
    document.title = messages.title(runName);
  }, [runName]);

  const { participation } = state;
  const joined = agreedAt !== null || participation.status !== 'not-joined';
  const runState = state.runState ?? publicRun?.state ?? null;
  const runOver = runState !== null && ENDED_STATUSES.includes(runState.status) && !joined;
  const device = state.device.status === 'ready' ? state.device.value : null;
  const report = state.rows.report.status === 'ready' ? state.rows.report.value : null;
  const rowsReady = report !== null && report.used > 0;

  const agree = async () => {
    setAgreedAt(new Date());
    await controller.join();
    // What her limits come to may have been known only after she agreed, and be a refusal: back to where that stands.
    if (controller.getState().participation.status === 'not-joined') setAgreedAt(null);
  };
  const decline = () => {
    controller.clearRows();
    setDeclined(true);
  };

  return (
    <>
      <a className="skip-link" href="#content">
        {messages.brand.skip}
      </a>
      <header className="page-head">
        <Brand />
        <span className="ch-small ch-muted">{messages.brand.trust}</span>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        {declined ? (
          <ClosingNote onBack={() => setDeclined(false)} />
        ) : (
          <>
            <h1>{runName ?? messages.title(null)}</h1>
            <ol className="steps">
              <Step title={text.run} phase={publicRun === null ? 'open' : 'done'}>
                <RunSection
                  run={state.run}
                  runState={runState}
                  rounds={state.rounds}
                  over={runOver}
                  onRetry={() => void controller.loadRun()}
                />
              </Step>
              <Step
                title={text.device}
                phase={publicRun === null ? 'locked' : device === null ? 'open' : 'done'}
                lockedText={text.locked.device}
                data-backend={device?.backend}
              >
                <DeviceSection
                  device={state.device}
                  unknownBackend={unknownBackend}
                  onRetry={() => void controller.checkDevice()}
                />
              </Step>
              <Step
                title={text.data}
                phase={
                  publicRun === null || device === null || runOver ? 'locked' : rowsReady ? 'done' : 'open'
                }
                lockedText={runOver ? text.locked.dataRunEnded : text.locked.data}
              >
                <DataSection
                  rows={state.rows}
                  controller={controller}
                  labels={publicRun?.run.plan.config.task.labels ?? []}
                  maxTokens={publicRun?.run.plan.config.task.maxTokens ?? 0}
                  textPair={publicRun?.run.plan.config.task.textPair ?? false}
                  inUse={joined}
                />
              </Step>
              <Step
                title={text.privacy}
                phase={
                  publicRun === null || device === null || !rowsReady || runOver
                    ? 'locked'
                    : joined
                      ? 'done'
                      : 'open'
                }
                lockedText={text.locked.privacy}
              >
                {publicRun !== null && device !== null && (
                  <PrivacySection
                    run={publicRun}
                    backend={device.backend}
                    limits={state.limits}
                    plannedEpsilon={state.plannedEpsilon}
                    spentEpsilon={state.spentEpsilon}
                    otherRunsEpsilon={state.otherRunsEpsilon}
                    ledgerProblem={state.ledgerProblem}
                    accountingNote={state.accountingNote}
                    joined={joined}
                    agreedAt={agreedAt}
                    onLimits={(limits) => controller.setLimits(limits)}
                    onAgree={() => void agree()}
                    onDecline={decline}
                  />
                )}
              </Step>
              <Step
                title={text.contribute}
                phase={!joined ? 'locked' : participation.status === 'stopped' ? 'done' : 'open'}
                lockedText={text.locked.contribute}
                focusHeading
                data-status={participation.status}
              >
                <ContributeSection state={state} runState={runState} controller={controller} />
              </Step>
            </ol>
          </>
        )}
      </main>
    </>
  );
}

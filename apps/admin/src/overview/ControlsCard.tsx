import type { AdminAction, RunState } from '@chorale/protocol';
import { ActionButton, Button, Card, ConfirmButton } from '@chorale/ui';
import { useCallback, useState } from 'react';
import { messages } from '../messages.ts';
import { hasEnded } from '../summary.ts';

const text = messages.run;

export type ControlsCardProps = { state: RunState; onAction: (action: AdminAction) => Promise<void> };

/** Pause, resume, stop; each shows its progress and its error in place. */
export function ControlsCard({ state, onAction }: ControlsCardProps) {
  const [asked, setAsked] = useState<number | null>(null);
  const toggle: AdminAction = state.status === 'paused' ? 'resume' : 'pause';
  const onToggle = useCallback(async () => {
    await onAction(toggle);
    setAsked(toggle === 'pause' ? state.round : null);
  }, [onAction, toggle, state.round]);
  const onStop = useCallback(() => onAction('stop'), [onAction]);
  // Only these two finish before a pause takes effect; in any other state it has, or was taken back.
  const settling = state.status === 'aggregating' || state.status === 'evaluating';
  const pausing = settling && asked === state.round;
  return (
    <Card title={text.controls}>
      {hasEnded(state) ? (
        <p className="ch-muted">{text.endedControls}</p>
      ) : (
        <>
          <p className="ch-small ch-muted">{pausing ? text.pausingHelp : text.pauseHelp}</p>
          <div className="ch-row">
            {pausing ? (
              <Button busy>{text.pausing}</Button>
            ) : (
              <ActionButton
                // After an action the button is another one; the old one's error must not stay.
                key={toggle}
                variant={toggle === 'resume' ? 'primary' : 'secondary'}
                onAction={onToggle}
              >
                {text.actions[toggle]}
              </ActionButton>
            )}
            <ConfirmButton
              label={text.actions.stop}
              question={text.stopQuestion}
              confirmLabel={text.stopConfirm}
              cancelLabel={text.stopCancel}
              onConfirm={onStop}
            />
          </div>
        </>
      )}
    </Card>
  );
}

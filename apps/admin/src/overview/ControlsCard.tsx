import type { AdminAction, RunState } from '@chorale/protocol';
import { ActionButton, Card, ConfirmButton } from '@chorale/ui';
import { useCallback } from 'react';
import { messages } from '../messages.ts';
import { hasEnded } from '../summary.ts';

const text = messages.run;

export type ControlsCardProps = { state: RunState; onAction: (action: AdminAction) => Promise<void> };

/** Pause, resume, stop; each shows its progress and its error in place. */
export function ControlsCard({ state, onAction }: ControlsCardProps) {
  const toggle: AdminAction = state.status === 'paused' ? 'resume' : 'pause';
  const onToggle = useCallback(() => onAction(toggle), [onAction, toggle]);
  const onStop = useCallback(() => onAction('stop'), [onAction]);
  return (
    <Card title={text.controls}>
      {hasEnded(state) ? (
        <p className="ch-muted">{text.endedControls}</p>
      ) : (
        <>
          <p className="ch-small ch-muted">{text.pauseHelp}</p>
          <div className="ch-row">
            <ActionButton
              // After an action the button is another one; the old one's error must not stay.
              key={toggle}
              variant={toggle === 'resume' ? 'primary' : 'secondary'}
              onAction={onToggle}
            >
              {text.actions[toggle]}
            </ActionButton>
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

import { useEffect, useId, useRef, useState } from 'react';
import { Button } from './Button.tsx';
import { useAction } from './useAction.ts';

export type ConfirmButtonProps = {
  /** Name of the first button. */
  label: string;
  /** What will happen, shown before it does. */
  question: string;
  confirmLabel: string;
  cancelLabel: string;
  onConfirm: () => Promise<void>;
};

/**
 * A button for what cannot be undone: the first press asks in place, the second does it.
 * Escape or the cancel button goes back; focus follows.
 */
export function ConfirmButton({ label, question, confirmLabel, cancelLabel, onConfirm }: ConfirmButtonProps) {
  const [asking, setAsking] = useState(false);
  const [{ busy, error }, start] = useAction(onConfirm);
  const firstButton = useRef<HTMLButtonElement>(null);
  const group = useRef<HTMLDivElement>(null);
  const wasAsking = useRef(false);
  const questionId = useId();

  useEffect(() => {
    if (asking) group.current?.focus();
    else if (wasAsking.current) firstButton.current?.focus();
    wasAsking.current = asking;
  }, [asking]);

  if (!asking) {
    return (
      <button
        ref={firstButton}
        type="button"
        className="ch-button ch-button-secondary"
        onClick={() => setAsking(true)}
      >
        {label}
      </button>
    );
  }
  return (
    <div
      ref={group}
      className="ch-confirm"
      role="group"
      aria-labelledby={questionId}
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !busy) setAsking(false);
      }}
    >
      <p id={questionId}>{question}</p>
      <div className="ch-row">
        <Button
          variant="danger"
          busy={busy}
          onClick={() => void start().then((done) => done && setAsking(false))}
        >
          {confirmLabel}
        </Button>
        <Button onClick={() => setAsking(false)}>{cancelLabel}</Button>
      </div>
      {error !== null && (
        <p className="ch-action-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

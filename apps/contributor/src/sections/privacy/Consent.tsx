import { useId, useRef, useState } from 'react';
import { Button } from '@chorale/ui';
import { messages } from '../../messages.ts';

const text = messages.privacy;

export type ConsentProps = {
  isPrivate: boolean;
  /** Her limits do not fit: agreeing leads to them instead. */
  blocked: boolean;
  onBlocked: () => void;
  onAgree: () => void;
  onDecline: () => void;
};

/** The question at the end of section 4. */
export function Consent({ isPrivate, blocked, onBlocked, onAgree, onDecline }: ConsentProps) {
  const [checked, setChecked] = useState(false);
  const [missing, setMissing] = useState(false);
  const [refused, setRefused] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const errorId = useId();
  const agree = () => {
    setRefused(blocked);
    if (blocked) return onBlocked();
    if (checked) return onAgree();
    setMissing(true);
    box.current?.focus();
  };
  return (
    <div className="consent ch-stack">
      <label className="ch-check">
        <input
          ref={box}
          type="checkbox"
          checked={checked}
          aria-describedby={missing ? errorId : undefined}
          aria-invalid={missing || undefined}
          onChange={(event) => {
            setChecked(event.currentTarget.checked);
            setMissing(false);
          }}
        />
        {isPrivate ? text.consent : text.consentUnprotected}
      </label>
      {missing && (
        <p id={errorId} className="ch-field-error" role="alert">
          {text.consentMissing}
        </p>
      )}
      {refused && blocked && (
        <p className="ch-field-error" role="alert">
          {text.limits.blocked}
        </p>
      )}
      {/* Both answers weigh the same: same look, same size. */}
      <div className="ch-row">
        <Button onClick={agree}>{text.agree}</Button>
        <Button onClick={onDecline}>{text.decline}</Button>
      </div>
    </div>
  );
}

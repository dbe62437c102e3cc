import type { ReactNode } from 'react';
import { useId } from 'react';

export type FieldProps = {
  label: string;
  hint?: string;
  error?: string | null;
  /** Draws the control with the ids that tie it to label, hint and error. */
  children: (control: {
    id: string;
    'aria-describedby': string | undefined;
    'aria-invalid': true | undefined;
  }) => ReactNode;
};

/** A labelled control with its hint and its error. */
export function Field({ label, hint, error = null, children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  const errorId = `${id}-error`;
  const describedBy = [hint === undefined ? '' : hintId, error === null ? '' : errorId].join(' ').trim();
  return (
    <div className="ch-field">
      <label className="ch-field-label" htmlFor={id}>
        {label}
      </label>
      {children({
        id,
        'aria-describedby': describedBy === '' ? undefined : describedBy,
        'aria-invalid': error === null ? undefined : true,
      })}
      {hint !== undefined && (
        <span id={hintId} className="ch-field-hint">
          {hint}
        </span>
      )}
      {error !== null && (
        <span id={errorId} className="ch-field-error" role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

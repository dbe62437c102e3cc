import type { ButtonHTMLAttributes } from 'react';

export type ButtonVariant = 'primary' | 'secondary' | 'danger';

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  variant?: ButtonVariant;
  small?: boolean;
  /** Shows a spinner and ignores clicks; the button keeps its name and its focus. */
  busy?: boolean;
};

/** A button of type `button` unless told otherwise. */
export function Button({
  variant = 'secondary',
  small = false,
  busy = false,
  className = '',
  onClick,
  children,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`ch-button ch-button-${variant} ${small ? 'ch-button-small' : ''} ${className}`}
      // Not `disabled`: a disabled button would drop the keyboard focus while it works.
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? undefined : onClick}
    >
      {busy && <span className="ch-spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

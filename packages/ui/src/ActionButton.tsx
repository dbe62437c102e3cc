import { Button } from './Button.tsx';
import type { ButtonProps } from './Button.tsx';
import { useAction } from './useAction.ts';

export type ActionButtonProps = Omit<ButtonProps, 'onClick' | 'busy'> & { onAction: () => Promise<void> };

/** A button for something that takes time: shows that it works, and an error right below when it failed. */
export function ActionButton({ onAction, ...rest }: ActionButtonProps) {
  const [{ busy, error }, start] = useAction(onAction);
  return (
    <>
      <Button {...rest} busy={busy} onClick={() => void start()} />
      {error !== null && (
        <p className="ch-action-error" role="alert">
          {error}
        </p>
      )}
    </>
  );
}

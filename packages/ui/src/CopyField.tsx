import { useRef, useState } from 'react';
import { Button } from './Button.tsx';
import { Field } from './Field.tsx';

export type CopyFieldProps = {
  label: string;
  value: string;
  hint?: string;
  texts: { copy: string; copied: string; byHand: string };
};

/**
 * A read-only text with a copy button. Where the clipboard is not available (plain http on another machine),
 * the text is selected and `byHand` tells to press the copy keys.
 */
export function CopyField({ label, value, hint, texts }: CopyFieldProps) {
  const input = useRef<HTMLInputElement>(null);
  const [message, setMessage] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setMessage(texts.copied);
    } catch {
      input.current?.select();
      setMessage(texts.byHand);
    }
  };
  return (
    <div className="ch-stack ch-stack-tight">
      <div className="ch-copy">
        <Field label={label}>
          {(control) => (
            <input
              {...control}
              ref={input}
              className="ch-input"
              readOnly
              value={value}
              onFocus={(event) => event.currentTarget.select()}
            />
          )}
        </Field>
        <Button onClick={() => void copy()}>{texts.copy}</Button>
      </div>
      {/* The hint gives way to what came of the copying, so that nothing below moves. */}
      <p role="status" className="ch-small ch-muted">
        {message === '' ? hint : message}
      </p>
    </div>
  );
}

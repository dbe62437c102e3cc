import { useEffect, useRef } from 'react';
import { Button } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.privacy;

/** What "I do not agree" leads to: no reproach, and a way back. */
export function ClosingNote({ onBack }: { onBack: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    scrollTo(0, 0);
  }, []);
  return (
    <div className="closing">
      <h1 ref={heading} tabIndex={-1}>
        {text.closingTitle}
      </h1>
      <p>{text.closing}</p>
      <Button onClick={onBack}>{text.goBack}</Button>
    </div>
  );
}

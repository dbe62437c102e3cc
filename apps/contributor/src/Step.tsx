import type { ReactNode } from 'react';
import { useEffect, useId, useRef } from 'react';
import { Shape } from '@chorale/ui';
import { messages } from './messages.ts';

export type StepProps = {
  title: string;
  phase: 'locked' | 'open' | 'done';
  /** Said instead of the content while locked. */
  lockedText?: string;
  /** Moves the focus to the heading when this step leaves `locked`, and when its end took the focused button away. */
  focusHeading?: boolean;
  'data-status'?: string | undefined;
  'data-backend'?: string | undefined;
  children: ReactNode;
};

/** One numbered section. Locked ones keep their place and say what opens them; nothing is hidden as a surprise. */
export function Step({ title, phase, lockedText = '', focusHeading = false, children, ...data }: StepProps) {
  const titleId = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const lastPhase = useRef(phase);

  useEffect(() => {
    const opened = lastPhase.current === 'locked' && phase !== 'locked';
    const ended =
      lastPhase.current === 'open' && phase === 'done' && document.activeElement === document.body;
    if (focusHeading && (opened || ended)) {
      heading.current?.focus();
      heading.current?.scrollIntoView({ block: 'start' });
    }
    lastPhase.current = phase;
  }, [phase, focusHeading]);

  return (
    <li className={`step step-${phase}`}>
      <section aria-labelledby={titleId} {...data}>
        <h2 id={titleId} ref={heading} tabIndex={-1} className="step-title">
          {title}
          {phase === 'done' && (
            <span className="step-done">
              <Shape name="check" />
              <span className="ch-visually-hidden">, {messages.steps.done}</span>
            </span>
          )}
        </h2>
        {phase === 'locked' ? <p className="ch-muted">{lockedText}</p> : children}
      </section>
    </li>
  );
}

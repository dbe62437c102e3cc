import type { ReactNode } from 'react';
import { Shape } from './Shape.tsx';

export type NoticeProps = {
  kind: 'info' | 'warn' | 'error';
  /** What happened, or what to know. */
  title: string;
  /** What to do about it. */
  children?: ReactNode;
  /** For what must not be overlooked. */
  loud?: boolean;
  /** Read out at once when it appears; for errors that follow something the person did. */
  announce?: boolean;
};

/** Something to know, with what to do about it. */
export function Notice({ kind, title, children, loud = false, announce = false }: NoticeProps) {
  return (
    <div
      className={`ch-notice ch-notice-${kind} ${loud ? 'ch-notice-loud' : ''}`}
      role={announce ? (kind === 'error' ? 'alert' : 'status') : undefined}
    >
      <Shape name={SHAPE_OF_KIND[kind]} />
      <div className="ch-notice-body">
        <p className="ch-notice-title">{title}</p>
        {children}
      </div>
    </div>
  );
}

const SHAPE_OF_KIND = { info: 'info', warn: 'triangle', error: 'cross' } as const;

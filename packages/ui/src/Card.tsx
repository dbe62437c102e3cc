import type { ReactNode } from 'react';
import { useId } from 'react';

export type CardProps = {
  title: string;
  /** Beside the title: a chip, a small button. */
  aside?: ReactNode;
  className?: string;
  children: ReactNode;
};

/** A titled section on its own surface. */
export function Card({ title, aside, className = '', children }: CardProps) {
  const titleId = useId();
  return (
    <section className={`ch-card ${className}`} aria-labelledby={titleId}>
      <div className="ch-card-head">
        <h2 id={titleId} className="ch-card-title">
          {title}
        </h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

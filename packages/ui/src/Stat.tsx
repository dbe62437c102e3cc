import type { ReactNode } from 'react';

/** One number with its name. Belongs in a `<dl className="ch-stats">`. */
export function Stat({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="ch-stat">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

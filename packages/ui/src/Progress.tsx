import { useId } from 'react';

export type ProgressProps = {
  label: string;
  /** From 0 to max; null while it is not known how much there is. */
  value: number | null;
  max?: number;
  /** The value in words, at the end of the label's line. */
  detail?: string;
};

/** A native progress bar with a visible label. */
export function Progress({ label, value, max = 1, detail }: ProgressProps) {
  const id = useId();
  return (
    <div className="ch-progress">
      <div className="ch-progress-label">
        <label htmlFor={id}>{label}</label>
        {detail !== undefined && <span className="ch-muted">{detail}</span>}
      </div>
      {value === null ? <progress id={id} /> : <progress id={id} value={value} max={max} />}
    </div>
  );
}

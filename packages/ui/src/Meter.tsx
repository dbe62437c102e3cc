import { useId } from 'react';

export type MeterProps = {
  label: string;
  /** How much is used of `max`, same unit. */
  value: number;
  max: number;
  /** The two in words: "0.41 of 6.00 agreed". */
  text: string;
  /** Exact value for programs that read the page; becomes `data-spent-epsilon`. */
  spentEpsilon?: number;
};

/** How much of an agreed amount is used. */
export function Meter({ label, value, max, text, spentEpsilon }: MeterProps) {
  const labelId = useId();
  const percent = max > 0 ? Math.min(100, Math.max(0, (100 * value) / max)) : 0;
  return (
    <div className="ch-meter" data-spent-epsilon={spentEpsilon}>
      <div className="ch-progress-label">
        <span id={labelId}>{label}</span>
        <strong>{text}</strong>
      </div>
      <div
        className="ch-meter-track"
        role="meter"
        aria-labelledby={labelId}
        aria-valuemin={0}
        aria-valuemax={max}
        aria-valuenow={Math.min(value, max)}
        aria-valuetext={text}
      >
        <div className="ch-meter-fill" style={{ width: `${percent}%` }} />
      </div>
    </div>
  );
}

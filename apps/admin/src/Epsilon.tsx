import { formatEpsilon } from '@chorale/ui';
import { messages } from './messages.ts';

const text = messages.runs;

/** An epsilon, rounded up; where a run has none, that stands in its place in red, never a blank. */
export function Epsilon({ value, isPrivate }: { value: number | null; isPrivate: boolean }) {
  if (!isPrivate) return <strong className="ch-bad">{text.unprotected}</strong>;
  return value === null ? text.none : formatEpsilon(value);
}

import { Shape } from './Shape.tsx';
import type { ShapeName } from './Shape.tsx';

export type Tone = 'neutral' | 'active' | 'good' | 'warn' | 'bad';

/** A state as shape, colour and word, so that no one of them carries it alone. */
export function StatusChip({ tone, shape, word }: { tone: Tone; shape?: ShapeName; word: string }) {
  return (
    <span className={`ch-chip ch-chip-${tone}`}>
      <Shape name={shape ?? SHAPE_OF_TONE[tone]} />
      {word}
    </span>
  );
}

const SHAPE_OF_TONE = {
  neutral: 'ring',
  active: 'half',
  good: 'check',
  warn: 'triangle',
  bad: 'cross',
} as const satisfies Record<Tone, ShapeName>;

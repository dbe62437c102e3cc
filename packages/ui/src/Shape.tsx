/** Shapes that tell states apart without colour. */
export type ShapeName =
  'ring' | 'half' | 'dot' | 'check' | 'cross' | 'pause' | 'square' | 'dashed' | 'triangle' | 'info' | 'arrow';

/** One shape in the text's colour and size; decoration beside a word, so hidden from screen readers. */
export function Shape({ name }: { name: ShapeName }) {
  return (
    <svg className="ch-shape" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {PATHS[name]}
    </svg>
  );
}

const line = { fill: 'none', stroke: 'currentColor', strokeWidth: 2, strokeLinecap: 'round' } as const;
const solid = { fill: 'currentColor' } as const;

const PATHS = {
  ring: <circle cx="8" cy="8" r="6" {...line} />,
  half: (
    <>
      <circle cx="8" cy="8" r="6" {...line} />
      <path d="M8 2a6 6 0 0 1 0 12z" {...solid} />
    </>
  ),
  dot: <circle cx="8" cy="8" r="6" {...solid} />,
  check: <path d="m2.5 8.5 3.7 4L13.5 4" {...line} strokeWidth={2.6} strokeLinejoin="round" />,
  cross: <path d="m3.5 3.5 9 9m0-9-9 9" {...line} strokeWidth={2.6} />,
  pause: <path d="M5 3v10M11 3v10" {...line} strokeWidth={3} />,
  square: <rect x="2.5" y="2.5" width="11" height="11" rx="1.5" {...solid} />,
  dashed: <circle cx="8" cy="8" r="6" {...line} strokeDasharray="3 3.3" />,
  triangle: (
    <>
      <path d="M8 1.8 15 14H1z" {...line} strokeLinejoin="round" strokeWidth={1.8} />
      <path d="M8 6.2v3.6M8 11.9v.2" {...line} strokeWidth={1.8} />
    </>
  ),
  info: (
    <>
      <circle cx="8" cy="8" r="6.4" {...line} strokeWidth={1.7} />
      <path d="M8 7.4v3.8M8 4.6v.2" {...line} strokeWidth={1.8} />
    </>
  ),
  arrow: <path d="M8 13.5v-11M3.5 7 8 2.5 12.5 7" {...line} strokeWidth={2.4} strokeLinejoin="round" />,
} as const satisfies Record<ShapeName, unknown>;

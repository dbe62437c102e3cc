import type { Compute, Ops } from '@chorale/compute';

/** Notes with which shapes a device is asked to compute, per operation, from now on. */
export function shapesOf({ ops }: Compute): { asked: () => Set<string> } {
  const seen = new Set<string>();
  const watched = ops as Record<keyof Ops, (...given: unknown[]) => unknown>;
  for (const name of Object.keys(watched) as (keyof Ops)[]) {
    if (['dispose', 'scope', 'liveTensors', 'read'].includes(name)) continue;
    const original = watched[name];
    watched[name] = (...given) => {
      seen.add(`${name} ${given.map(shapeOf).join(' ')}`);
      return original(...given);
    };
  }
  return { asked: () => new Set(seen) };
}

function shapeOf(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return `(${value.map(shapeOf).join(' ')})`;
  if (typeof value !== 'object' || value === null) return String(value);
  if ('shape' in value) return `[${String(value.shape)}]`;
  return Object.values(value).map(shapeOf).join(' ');
}

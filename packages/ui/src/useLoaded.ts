import { useEffect, useState } from 'react';

export type Loaded<T> = { value: T | null; error: string | null };

/**
 * What a promise gives, asked for anew with every other `version`; what was there stays until the answer comes.
 * @param load kept with useCallback; its rejection is shown with its words
 */
export function useLoaded<T>(load: () => Promise<T>, version: string | number): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ value: null, error: null });
  useEffect(() => {
    let current = true;
    load().then(
      (value) => {
        if (current) setLoaded({ value, error: null });
      },
      (error: unknown) => {
        const words = error instanceof Error ? error.message : String(error);
        if (current) setLoaded(({ value }) => ({ value, error: words }));
      },
    );
    return () => {
      current = false;
    };
  }, [load, version]);
  return loaded;
}

import { useCallback, useRef, useState } from 'react';

export type ActionState = { busy: boolean; error: string | null };

/**
 * Runs one asynchronous action at a time and keeps its progress and its error for showing in place.
 * @returns the state and a starter; a start while one is running does nothing
 */
export function useAction(action: () => Promise<void>): [ActionState, () => Promise<boolean>] {
  const [state, setState] = useState<ActionState>({ busy: false, error: null });
  const running = useRef(false);
  const start = useCallback(async () => {
    if (running.current) return false;
    running.current = true;
    setState({ busy: true, error: null });
    try {
      await action();
      setState({ busy: false, error: null });
      return true;
    } catch (error) {
      setState({ busy: false, error: error instanceof Error ? error.message : String(error) });
      return false;
    } finally {
      running.current = false;
    }
  }, [action]);
  return [state, start];
}

import type { RunState } from '@chorale/protocol';
import type { StopReason } from './state.ts';

/** How taking part ended, and why in words. */
export type Ending = { because: StopReason; message: string };

/** @returns null: the run goes on */
export function endingOf({ status, reason }: RunState): Ending | null {
  if (status === 'completed') return { because: 'run-completed', message: 'All rounds are done. Thank you.' };
  if (status === 'stopped')
    return { because: 'run-stopped', message: `The run was ended by its operator: ${reason}` };
  if (status === 'failed') return { because: 'run-stopped', message: `The run failed: ${reason}` };
  return null;
}

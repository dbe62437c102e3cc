import type { RunStatus } from '@chorale/protocol';
import { Shape } from '@chorale/ui';
import { STATUS_LOOKS } from '../looks.ts';
import { messages } from '../messages.ts';

const PHASES = [
  'recruiting',
  'training',
  'aggregating',
  'evaluating',
] as const satisfies readonly RunStatus[];

/**
 * The four phases of a round. The present one is filled as far as it is; without a measure it is filled whole.
 * Paused and ended runs are in none of them.
 */
export function PhaseStrip({ status, fraction }: { status: RunStatus; fraction: number | null }) {
  const presentIndex = PHASES.findIndex((phase) => phase === status);
  return (
    <ol className="phases" aria-label={messages.run.phases}>
      {PHASES.map((phase, index) => {
        const present = index === presentIndex;
        const filled = present ? (fraction ?? 1) : index < presentIndex ? 1 : 0;
        return (
          <li
            key={phase}
            className={`phase ${present ? 'phase-present' : ''} ${index < presentIndex ? 'phase-past' : ''}`}
            aria-current={present ? 'step' : undefined}
          >
            <span className="phase-name">
              <Shape name={index < presentIndex ? 'check' : STATUS_LOOKS[phase].shape} />
              {messages.status[phase]}
            </span>
            <span className="phase-track" aria-hidden="true">
              <span className="phase-fill" style={{ width: `${100 * filled}%` }} />
            </span>
          </li>
        );
      })}
    </ol>
  );
}

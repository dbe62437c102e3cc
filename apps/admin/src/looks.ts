import type { Availability, CohortMember, RunStatus } from '@chorale/protocol';
import type { ShapeName, Tone } from '@chorale/ui';

export type Look = { tone: Tone; shape: ShapeName };

/** Colour and shape of every run status, the same on every screen. */
export const STATUS_LOOKS: Record<RunStatus, Look> = {
  recruiting: { tone: 'neutral', shape: 'ring' },
  training: { tone: 'active', shape: 'half' },
  aggregating: { tone: 'active', shape: 'arrow' },
  evaluating: { tone: 'active', shape: 'dot' },
  paused: { tone: 'warn', shape: 'pause' },
  completed: { tone: 'good', shape: 'check' },
  stopped: { tone: 'neutral', shape: 'square' },
  failed: { tone: 'bad', shape: 'cross' },
};

/** Of contributors who are online. A limit that is reached is no fault. */
export const AVAILABILITY_LOOKS: Record<Availability, Look> = {
  available: { tone: 'good', shape: 'dot' },
  paused: { tone: 'warn', shape: 'pause' },
  'limit-reached': { tone: 'neutral', shape: 'square' },
};

export const MEMBER_LOOKS: Record<CohortMember['state'], Look> = {
  training: { tone: 'active', shape: 'half' },
  received: { tone: 'good', shape: 'check' },
  disconnected: { tone: 'warn', shape: 'dashed' },
  dropped: { tone: 'bad', shape: 'cross' },
};

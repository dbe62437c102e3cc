export type { Privatized } from './privatized.ts';
export type {
  DpEvent,
  PoissonSampledGaussianEvent,
  SelfComposedEvent,
  ComposedEvent,
  NonPrivateEvent,
  PrivacyUnit,
  NeighbouringRelation,
} from './events.ts';

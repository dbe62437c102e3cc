import type { DpEvent, PrivacyUnit } from '../events.ts';

/** A mechanism and how often it is run; samplingRate 1 is the Gaussian mechanism. */
export type CountedMechanism = { samplingRate: number; noiseMultiplier: number; count: number };

/** What an event comes to. The order of releases costs nothing: their privacy losses add up. */
export type FlatEvent = {
  /** Whom the event protects; null when it releases nothing, or nothing protected. */
  privacyUnit: PrivacyUnit | null;
  /** Something is released without protection. */
  nonPrivate: boolean;
  /** Equal mechanisms are merged; counts ≥ 1. In a fixed order, so that equal events give equal rounding. */
  mechanisms: CountedMechanism[];
};

/** Whether the event is made of Gaussian mechanisms, with or without Poisson sampling, and nothing unknown. */
export function isMadeOfGaussians(event: DpEvent): boolean {
  switch (event.type) {
    case 'gaussian':
      return isKnownUnit(event);
    case 'poisson-sampled-gaussian':
      // The loss pairs in this folder are those of one example being there or not; nothing else is proved of them.
      return event.privacyUnit === 'example' && event.neighbouringRelation === 'zero-out';
    case 'self-composed':
      return isMadeOfGaussians(event.event);
    case 'composed':
      return event.events.every(isMadeOfGaussians);
    case 'non-private':
      return true;
    default:
      return false; // an event that came over the wire from a newer program
  }
}

/**
 * Sums an event up by mechanism.
 * @throws {TypeError} the event holds a mechanism that is not known, or protects more than one unit
 * @throws {RangeError} a parameter is out of its range
 */
export function flattenEvent(event: DpEvent): FlatEvent {
  if (!isMadeOfGaussians(event)) {
    throw new TypeError(
      `expected an event made of the mechanisms in events.ts, got ${JSON.stringify(event)}; a newer program may have written it`,
    );
  }
  const units = new Set<PrivacyUnit>();
  const counted = new Map<string, CountedMechanism>();
  let nonPrivate = false;

  const add = (part: DpEvent, count: number): void => {
    switch (part.type) {
      case 'gaussian':
      case 'poisson-sampled-gaussian': {
        units.add(part.privacyUnit);
        const samplingRate = part.type === 'gaussian' ? 1 : part.samplingRate;
        checkMechanism(samplingRate, part.noiseMultiplier);
        if (count === 0) return;
        const key = `${samplingRate} ${part.noiseMultiplier}`;
        const known = counted.get(key);
        const total = (known?.count ?? 0) + count;
        if (!Number.isSafeInteger(total))
          throw new RangeError(`an event counts more releases than 2^53, got ${total}`);
        counted.set(key, { samplingRate, noiseMultiplier: part.noiseMultiplier, count: total });
        return;
      }
      case 'self-composed':
        if (!Number.isSafeInteger(part.count) || part.count < 0) {
          throw new RangeError(
            `count of a self-composed event must be an integer of at least 0, got ${part.count}`,
          );
        }
        add(part.event, count * part.count);
        return;
      case 'composed':
        for (const inner of part.events) add(inner, count);
        return;
      case 'non-private':
        nonPrivate ||= count > 0;
        return;
    }
  };
  add(event, 1);

  if (units.size > 1) {
    throw new TypeError(
      `expected an event that protects one unit, got ${[...units].join(' and ')}: their epsilons do not add up; account for each by itself`,
    );
  }
  const mechanisms = [...counted.values()].sort(
    (a, b) => a.samplingRate - b.samplingRate || a.noiseMultiplier - b.noiseMultiplier,
  );
  return { privacyUnit: [...units][0] ?? null, nonPrivate, mechanisms };
}

function isKnownUnit({ privacyUnit, neighbouringRelation }: DpEvent & { type: 'gaussian' }): boolean {
  return privacyUnit === 'example'
    ? neighbouringRelation === 'zero-out'
    : privacyUnit === 'contributor' && neighbouringRelation === 'replace';
}

function checkMechanism(samplingRate: number, noiseMultiplier: number): void {
  if (!(samplingRate > 0 && samplingRate <= 1)) {
    throw new RangeError(`samplingRate must be in (0, 1], got ${samplingRate}`);
  }
  if (!(noiseMultiplier > 0 && noiseMultiplier < Infinity)) {
    throw new RangeError(`noiseMultiplier must be a finite number over 0, got ${noiseMultiplier}`);
  }
}

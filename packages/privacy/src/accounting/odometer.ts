import type { DpEvent, PrivacyUnit } from '../events.ts';
import { flattenEvent } from './flattenEvent.ts';
import { parseDpEvent } from './parseEvent.ts';
import { epsilonOfRdp, RDP_ORDERS, rdpOfEvent } from './rdpAccountant.ts';

/**
 * Adds up what is released, one event after the other, at fixed Rényi orders.
 *
 * With several orders `epsilon` is the smallest over all of them, which holds for events that were fixed before the first
 * release. When an event may depend on earlier outputs, one order must be chosen beforehand (`new RdpOdometer([order])`,
 * for example the `bestOrder` of the plan): a process that stops before the sum at that one order would cross its limit
 * keeps the limit (the Rényi filter, Feldman & Zrnic 2021, arXiv 2008.11193, section 4). Only that kind of accounting
 * allows this; the privacy loss distribution needs everything fixed beforehand.
 */
export class RdpOdometer {
  readonly #orders: readonly number[];
  readonly #rdp: Float64Array;
  readonly #history: DpEvent[] = [];
  #unit: PrivacyUnit | null = null;

  /**
   * @param orders each > 1, at least one
   * @throws {RangeError} no order, or one that is out of its range
   */
  constructor(orders: readonly number[] = RDP_ORDERS) {
    if (orders.length === 0) throw new RangeError('expected at least one Rényi order, got none');
    this.#orders = orders;
    this.#rdp = rdpOfEvent({ type: 'composed', events: [] }, orders);
  }

  /**
   * An odometer that was charged with every event of a saved history.
   * @param saved what `history` gave, perhaps by way of JSON
   * @throws {TypeError | RangeError} it is no list of events, see `parseDpEvent`
   */
  static restore(saved: unknown, orders: readonly number[] = RDP_ORDERS): RdpOdometer {
    const odometer = new RdpOdometer(orders);
    const history = parseDpEvent({ type: 'composed', events: saved });
    if (history.type === 'composed') for (const event of history.events) odometer.charge(event);
    return odometer;
  }

  /**
   * Counts an event as released; there are no refunds.
   * @throws as `rdpOfEvent`; nothing is charged then
   */
  charge(event: DpEvent): void {
    const unit = flattenEvent(event).privacyUnit ?? this.#unit;
    if (this.#unit !== null && unit !== this.#unit) {
      throw new TypeError(`expected an event that protects one ${this.#unit}, as those before, got ${unit}`);
    }
    const rdp = rdpOfEvent(event, this.#orders);
    this.#unit = unit;
    this.#history.push(event);
    for (let i = 0; i < rdp.length; i++) this.#rdp[i]! += rdp[i]!;
  }

  /**
   * @param delta in (0, 1)
   * @param next  an event that is not charged yet: what epsilon would be with it
   * @throws {RangeError} delta is out of its range
   */
  epsilon(delta: number, next?: DpEvent): number {
    if (next === undefined) return epsilonOfRdp(this.#rdp, this.#orders, delta);
    const added = rdpOfEvent(next, this.#orders);
    return epsilonOfRdp(
      added.map((value, i) => value + this.#rdp[i]!),
      this.#orders,
      delta,
    );
  }

  /** Every event that was charged, oldest first. */
  get history(): readonly DpEvent[] {
    return [...this.#history];
  }
}

/** The Rényi order at which an event's epsilon at this delta is smallest; it depends on public numbers only. */
export function bestOrder(event: DpEvent, delta: number): number {
  const rdp = rdpOfEvent(event, RDP_ORDERS);
  const epsilons = RDP_ORDERS.map((order, i) => epsilonOfRdp(rdp.subarray(i, i + 1), [order], delta));
  return RDP_ORDERS[epsilons.indexOf(Math.min(...epsilons))]!;
}

import type { ConditionChoices, ConditionReading, ConditionSource } from '../conditions.ts';
import { DEFAULT_CHOICES } from '../conditions.ts';

/** A device whose battery, network and page do what a test says. */
export class FakeConditions implements ConditionSource {
  reading: ConditionReading = {
    battery: { level: 0.8, charging: false },
    metered: 'no',
    hidden: false,
  };
  kept: ConditionChoices = DEFAULT_CHOICES;
  readonly #listeners = new Set<() => void>();

  read = (): ConditionReading => this.reading;

  choices = (): ConditionChoices => this.kept;

  watch(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  keep(choices: ConditionChoices): void {
    this.kept = choices;
  }

  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  change(change: Partial<ConditionReading>): void {
    this.reading = { ...this.reading, ...change };
    for (const listener of this.#listeners) listener();
  }
}

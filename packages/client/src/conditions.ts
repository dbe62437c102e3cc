/** What may be a reason not to use a device just now. */
export const CONDITION_KINDS = ['battery', 'metered', 'hidden'] as const;
export type ConditionKind = (typeof CONDITION_KINDS)[number];

/** Whether each pauses contributing; hers to choose. */
export type ConditionChoices = Record<ConditionKind, boolean>;

export const DEFAULT_CHOICES: ConditionChoices = { battery: true, metered: true, hidden: false };

/** Under this level, without a charger, a battery pauses; in [0, 1]. */
export const LOW_BATTERY = 0.2;

/** How this device stands; null where the browser cannot tell. */
export type ConditionReading = {
  /** `level` in [0, 1]. */
  battery: { level: number; charging: boolean } | null;
  metered: 'save-data' | 'cellular' | 'no' | null;
  hidden: boolean | null;
};

/** Where readings come from, and where her choices are kept. */
export type ConditionSource = {
  read(): ConditionReading;
  /** Tells of changes until the returned function is called. */
  watch(onChange: () => void): () => void;
  choices(): ConditionChoices;
  keep(choices: ConditionChoices): void;
};

/** A condition that pauses contributing, in words that say when it goes on. */
export type Hold = { kind: ConditionKind; reason: string };

/** What a page shows of them. */
export type ConditionsView = { choices: ConditionChoices; reading: ConditionReading };

/** @returns why each condition that holds just now would pause; conditions that cannot be told hold nothing up */
export function holdsOf({ battery, metered, hidden }: ConditionReading): Hold[] {
  const holds: Hold[] = [];
  if (battery && !battery.charging && battery.level < LOW_BATTERY) {
    const percent = Math.round(battery.level * 100);
    const reason = `this device is on battery at ${percent} %; it goes on when it charges`;
    holds.push({ kind: 'battery', reason });
  }
  if (metered === 'save-data') {
    const reason = 'this browser is set to save data; it goes on when that is off';
    holds.push({ kind: 'metered', reason });
  }
  if (metered === 'cellular') {
    const reason = 'this device is on a mobile network; it goes on when it is on another one';
    holds.push({ kind: 'metered', reason });
  }
  if (hidden === true) {
    holds.push({ kind: 'hidden', reason: 'this tab is in the background; it goes on when you look at it' });
  }
  return holds;
}

/** Watches the conditions of one visit: what holds contributing up, by her choices and unless she said to go on. */
export class ConditionWatch {
  readonly #source: ConditionSource;
  readonly #onChange: () => void;
  readonly #end: () => void;
  #choices: ConditionChoices;
  #reading: ConditionReading;
  /** She said to go on in spite of them; until they are over. */
  readonly #overridden = new Set<ConditionKind>();

  /** @param onChange called when a reading, a choice or what holds up has changed */
  constructor(source: ConditionSource, onChange: () => void) {
    this.#source = source;
    this.#onChange = onChange;
    this.#choices = source.choices();
    this.#reading = source.read();
    this.#end = source.watch(() => this.#read());
  }

  get view(): ConditionsView {
    return { choices: this.#choices, reading: this.#reading };
  }

  /** null when nothing holds contributing up. */
  get hold(): Hold | null {
    const counts = ({ kind }: Hold) => this.#choices[kind] && !this.#overridden.has(kind);
    return holdsOf(this.#reading).find(counts) ?? null;
  }

  /** Her choices, kept for later visits. */
  choose(choices: ConditionChoices): void {
    this.#choices = choices;
    this.#source.keep(choices);
    this.#onChange();
  }

  /** Goes on in spite of what holds up now, until that is over. */
  goOn(): void {
    for (const { kind } of holdsOf(this.#reading)) this.#overridden.add(kind);
    this.#onChange();
  }

  end(): void {
    this.#end();
  }

  #read(): void {
    this.#reading = this.#source.read();
    const present = new Set(holdsOf(this.#reading).map(({ kind }) => kind));
    for (const kind of this.#overridden) if (!present.has(kind)) this.#overridden.delete(kind);
    this.#onChange();
  }
}

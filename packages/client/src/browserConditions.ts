import { z } from 'zod';
import { networkInformation } from './browserWakeups.ts';
import type { ConditionChoices, ConditionReading, ConditionSource } from './conditions.ts';
import { DEFAULT_CHOICES } from './conditions.ts';

/** Battery Status API, where there is one. */
type BatteryManager = EventTarget & { level: number; charging: boolean };

const STORAGE_KEY = 'chorale-when-to-contribute';

const choicesSchema = z.strictObject({ battery: z.boolean(), metered: z.boolean(), hidden: z.boolean() });

/** The conditions of a browser tab; her choices are kept in localStorage, for all runs of this server. */
export function browserConditions(): ConditionSource {
  let battery: BatteryManager | null = null;
  const network = networkInformation();
  const opened = openBattery().then((found) => {
    battery = found;
  });
  return {
    read: (): ConditionReading => ({
      battery: battery && { level: battery.level, charging: battery.charging },
      metered: network ? meteredBy(network) : null,
      hidden: document.visibilityState === 'hidden',
    }),
    watch(onChange) {
      const gone = new AbortController();
      const { signal } = gone;
      void opened.then(() => {
        if (signal.aborted || !battery) return;
        battery.addEventListener('levelchange', onChange, { signal });
        battery.addEventListener('chargingchange', onChange, { signal });
        onChange();
      });
      network?.addEventListener('change', onChange, { signal });
      document.addEventListener('visibilitychange', onChange, { signal });
      return () => gone.abort();
    },
    choices: readChoices,
    keep: keepChoices,
  };
}

/** @returns null where the browser has none or does not tell */
async function openBattery(): Promise<BatteryManager | null> {
  if (!('getBattery' in navigator)) return null;
  const { getBattery } = navigator as unknown as { getBattery: () => Promise<BatteryManager> };
  try {
    return await getBattery.call(navigator);
  } catch {
    // By a permissions policy, say
    return null;
  }
}

function meteredBy({ saveData, type }: { saveData?: boolean; type?: string }): ConditionReading['metered'] {
  if (saveData === true) return 'save-data';
  if (type === 'cellular') return 'cellular';
  return saveData === undefined && type === undefined ? null : 'no';
}

function readChoices(): ConditionChoices {
  try {
    const kept = choicesSchema.safeParse(JSON.parse(localStorage.getItem(STORAGE_KEY) ?? 'null'));
    return kept.success ? kept.data : DEFAULT_CHOICES;
  } catch {
    return DEFAULT_CHOICES;
  }
}

/** Where a page may keep nothing they hold for this visit. */
function keepChoices(choices: ConditionChoices): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(choices));
  } catch (error) {
    console.error('When to contribute could not be kept; it holds for this visit.', error);
  }
}

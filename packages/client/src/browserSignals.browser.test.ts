import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { browserConditions } from './browserConditions.ts';
import { browserWakeups } from './browserWakeups.ts';
import { DEFAULT_CHOICES } from './conditions.ts';
import type { Wakeup } from './wakeups.ts';

const KEY = 'chorale-when-to-contribute';

class FakeBattery extends EventTarget {
  level = 0.5;
  charging = false;
}

class FakeNetwork extends EventTarget {
  type: string | undefined = 'wifi';
  saveData = false;
}

/** Puts something in the place of a property for one test. */
function override(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { configurable: true, get: () => value });
  overridden.push(() => Reflect.deleteProperty(target, name));
}
let overridden: (() => void)[] = [];

beforeEach(() => localStorage.removeItem(KEY));
afterEach(() => {
  for (const restore of overridden) restore();
  overridden = [];
});

const setHidden = (hidden: boolean) => {
  override(document, 'visibilityState', hidden ? 'hidden' : 'visible');
  document.dispatchEvent(new Event('visibilitychange'));
};

describe('conditions', () => {
  test('follow the battery, the network and the page', async () => {
    const [battery, network] = [new FakeBattery(), new FakeNetwork()];
    override(navigator, 'getBattery', () => Promise.resolve(battery));
    override(navigator, 'connection', network);
    const source = browserConditions();
    let changes = 0;
    const end = source.watch(() => (changes += 1));
    await vi.waitFor(() => expect(source.read().battery).toEqual({ level: 0.5, charging: false }));
    expect(source.read()).toMatchObject({ metered: 'no', hidden: false });
    await vi.waitFor(() => expect(changes).toBe(1)); // what was found

    battery.level = 0.1;
    battery.dispatchEvent(new Event('levelchange'));
    battery.charging = true;
    battery.dispatchEvent(new Event('chargingchange'));
    network.type = 'cellular';
    network.dispatchEvent(new Event('change'));
    setHidden(true);
    expect(changes).toBe(5);
    expect(source.read()).toEqual({
      battery: { level: 0.1, charging: true },
      metered: 'cellular',
      hidden: true,
    });
    network.saveData = true;
    expect(source.read().metered).toBe('save-data');
    end();
    battery.dispatchEvent(new Event('levelchange'));
    setHidden(false);
    expect(changes).toBe(5);
  });

  test('what a browser does not tell is not known', async () => {
    override(navigator, 'getBattery', () => Promise.reject(new Error('by policy')));
    override(navigator, 'connection', undefined);
    const source = browserConditions();
    let changes = 0;
    const end = source.watch(() => (changes += 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(source.read()).toEqual({ battery: null, metered: null, hidden: false });
    expect(changes).toBe(0);
    end();
  });

  test('keep her choices for later visits; what is no choice counts as none', () => {
    const source = browserConditions();
    expect(source.choices()).toEqual(DEFAULT_CHOICES);
    source.keep({ battery: false, metered: true, hidden: true });
    expect(browserConditions().choices()).toEqual({ battery: false, metered: true, hidden: true });
    for (const damaged of ['{', 'null', '{"battery":1,"metered":true,"hidden":true}']) {
      localStorage.setItem(KEY, damaged);
      expect(browserConditions().choices()).toEqual(DEFAULT_CHOICES);
    }
  });
});

describe('wake-ups', () => {
  test('are told until nobody listens', () => {
    const network = new FakeNetwork();
    override(navigator, 'connection', network);
    const told: Wakeup[] = [];
    const end = browserWakeups((what) => told.push(what));
    const fire = () => {
      dispatchEvent(new Event('offline'));
      dispatchEvent(new Event('online'));
      setHidden(true);
      setHidden(false);
      document.dispatchEvent(new Event('resume'));
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }));
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
      network.dispatchEvent(new Event('change')); // an estimate of the speed
      network.type = network.type === 'wifi' ? 'cellular' : 'wifi';
      network.dispatchEvent(new Event('change'));
    };
    fire();
    const all: Wakeup[] = [
      'network-lost',
      'network-changed',
      'looked-at',
      'slept',
      'slept',
      'network-changed',
    ];
    expect(told).toEqual(all);
    end();
    fire();
    expect(told).toEqual(all);
  });
});

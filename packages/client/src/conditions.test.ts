import { describe, expect, test } from 'vitest';
import type { ConditionReading } from './conditions.ts';
import { ConditionWatch, DEFAULT_CHOICES, holdsOf } from './conditions.ts';
import { FakeConditions } from './testing/fakeConditions.ts';

const NOTHING: ConditionReading = { battery: null, metered: null, hidden: null };

describe('what would pause', () => {
  test.each<[string, Partial<ConditionReading>, string[]]>([
    ['nothing that can be told', {}, []],
    ['a battery at 20 %', { battery: { level: 0.2, charging: false } }, []],
    ['a battery under 20 %', { battery: { level: 0.199, charging: false } }, ['battery']],
    ['an empty battery that charges', { battery: { level: 0, charging: true } }, []],
    ['a network without a price', { metered: 'no' }, []],
    ['a mobile network', { metered: 'cellular' }, ['metered']],
    ['a browser that saves data', { metered: 'save-data' }, ['metered']],
    ['a page in front', { hidden: false }, []],
    ['a page in the background', { hidden: true }, ['hidden']],
    [
      'everything',
      { battery: { level: 0.1, charging: false }, metered: 'cellular', hidden: true },
      ['battery', 'metered', 'hidden'],
    ],
  ])('%s', (_, reading, kinds) => {
    expect(holdsOf({ ...NOTHING, ...reading }).map(({ kind }) => kind)).toEqual(kinds);
  });

  test('says why and when it goes on, with the level as people read it', () => {
    const [hold] = holdsOf({ ...NOTHING, battery: { level: 0.143, charging: false } });
    expect(hold!.reason).toBe('this device is on battery at 14 %; it goes on when it charges');
  });
});

describe('a visit', () => {
  const open = () => {
    const source = new FakeConditions();
    let changes = 0;
    const watch = new ConditionWatch(source, () => (changes += 1));
    return { source, watch, changes: () => changes };
  };

  test('starts with what was chosen before and how the device stands now', () => {
    const source = new FakeConditions();
    source.kept = { battery: false, metered: true, hidden: true };
    source.reading = { battery: { level: 0.1, charging: false }, metered: 'no', hidden: false };
    const watch = new ConditionWatch(source, () => undefined);
    expect(watch.hold).toBeNull();
    expect(watch.view).toEqual({ choices: source.kept, reading: source.reading });
  });

  test('a hidden page pauses only where she chose so, and the choice is kept', () => {
    const { source, watch, changes } = open();
    source.change({ hidden: true });
    expect(watch.hold).toBeNull();
    watch.choose({ ...DEFAULT_CHOICES, hidden: true });
    expect(watch.hold).toMatchObject({ kind: 'hidden' });
    expect(source.kept).toEqual({ battery: true, metered: true, hidden: true });
    source.change({ hidden: false });
    expect(watch.hold).toBeNull();
    expect(changes()).toBe(3);
  });

  test('"go on anyway" holds for what is there now, until that is over', () => {
    const { source, watch } = open();
    source.change({ battery: { level: 0.1, charging: false } });
    watch.goOn();
    expect(watch.hold).toBeNull();
    source.change({ battery: { level: 0.05, charging: false } });
    expect(watch.hold).toBeNull();
    // What comes anew was not meant
    source.change({ metered: 'cellular' });
    expect(watch.hold).toMatchObject({ kind: 'metered' });
    source.change({ battery: { level: 0.06, charging: true }, metered: 'no' });
    expect(watch.hold).toBeNull();
    source.change({ battery: { level: 0.05, charging: false } });
    expect(watch.hold).toMatchObject({ kind: 'battery' });
  });

  test('ends with the page', () => {
    const { source, watch } = open();
    expect(source.watched).toBe(true);
    watch.end();
    expect(source.watched).toBe(false);
  });
});

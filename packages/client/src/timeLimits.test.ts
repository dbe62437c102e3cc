import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Silence, answerInTime } from './timeLimits.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const failed = { code: 'DEVICE_ERROR', message: expect.stringMatching(/no step in 10 minutes/) as string };

describe('an answer in time', () => {
  test('is that of the worker, and the time stops', async () => {
    expect(await answerInTime(Promise.resolve(7), 600_000)).toBe(7);
    await expect(answerInTime(Promise.reject(new Error('its own')), 600_000)).rejects.toThrow('its own');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that never comes is an error after the time, not before', async () => {
    let error: unknown = null;
    answerInTime(new Promise(() => undefined), 600_000).catch((reason: unknown) => (error = reason));
    await vi.advanceTimersByTimeAsync(600_000);
    expect(error).toBeNull();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(error).toMatchObject(failed);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('silence', () => {
  test('begins anew with everything that is heard', async () => {
    const silence = new Silence(600_000, 'silent');
    let error: unknown = null;
    silence.tooLong.catch((reason: unknown) => (error = reason));
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(590_000);
      silence.heard();
    }
    expect(error).toBeNull();
    await vi.advanceTimersByTimeAsync(660_000);
    expect(error).toMatchObject({ code: 'DEVICE_ERROR', message: 'silent' });
    silence.end();
  });

  test('of a night in which the machine slept is none: the ticks slept too', async () => {
    const silence = new Silence(600_000, 'silent');
    let error: unknown = null;
    silence.tooLong.catch((reason: unknown) => (error = reason));
    await vi.advanceTimersByTimeAsync(300_000);
    vi.setSystemTime(Date.now() + 8 * 3600_000);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(error).toBeNull();
    silence.end();
  });
});

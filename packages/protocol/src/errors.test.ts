import { describe, expect, test } from 'vitest';
import { ChoraleError, ERROR_CODES, fromWireError, wireError } from './errors.ts';

test('a ChoraleError takes retryable from the table and keeps its cause', () => {
  const cause = new Error('inner');
  const error = new ChoraleError('DISCONNECTED', 'expected a connection', { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'ChoraleError', code: 'DISCONNECTED', retryable: true, cause });
  expect(new ChoraleError('PLAN_CHANGED', '').retryable).toBe(false);
});

describe('wireError', () => {
  test('shows code, message and retryable, and nothing else', () => {
    const cause = new Error('secret');
    const wire = wireError(new ChoraleError('UPDATE_SIZE', 'expected 4 values', { cause }));
    expect(wire).toEqual({ code: 'UPDATE_SIZE', message: 'expected 4 values', retryable: false });
    expect(JSON.stringify(wire)).not.toContain('secret');
  });

  test('takes errors of lower packages by their code, retryable from the table', () => {
    const error = Object.assign(new Error('the device failed'), { code: 'DEVICE_ERROR', retryable: 'yes' });
    expect(wireError(error)).toEqual({ code: 'DEVICE_ERROR', message: 'the device failed', retryable: true });
  });

  test.each([
    new Error('cannot open /home/someone/rows.csv'),
    Object.assign(new Error('cannot open /home/someone/rows.csv'), { code: 'ENOENT' }),
    Object.assign(new Error('/home/someone/rows.csv'), { code: 'toString' }),
    Object.assign(new Error('/home/someone/rows.csv'), { code: 7 }),
    { code: 'UPDATE_SIZE', message: '/home/someone/rows.csv' },
    'cannot open /home/someone/rows.csv',
    undefined,
    null,
  ])('hides what is not ours: %o', (error) => {
    const wire = wireError(error);
    expect(wire.code).toBe('INTERNAL');
    expect(wire.retryable).toBe(true);
    expect(JSON.stringify(wire)).not.toContain('someone');
  });

  test('every code survives the way there and back', () => {
    for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]) {
      const error = new ChoraleError(code, `about ${code}`);
      const back = fromWireError(wireError(error));
      expect(back).toMatchObject({ code, message: `about ${code}`, retryable: error.retryable });
    }
  });
});

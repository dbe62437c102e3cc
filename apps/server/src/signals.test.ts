import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

/** A process whose server closes as told. */
async function started(close: string, limitSeconds: number) {
  const [signals, log] = ['./signals.ts', './log.ts'].map((path) =>
    JSON.stringify(new URL(path, import.meta.url).href),
  );
  const program = `
    const { closeOnSignals } = await import(${signals});
    const { openLog } = await import(${log});
    closeOnSignals({ close: () => ${close} }, { log: openLog({ level: 'info', format: 'json' }), limitSeconds: ${limitSeconds} });
    setInterval(() => {}, 1000);
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let logged = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (logged += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, logged }));
  await once(child.stdout, 'data');
  return { child, ended };
}

it.each(['SIGTERM', 'SIGINT'] as const)(
  'waits no longer for a server than it may after %s, and says so',
  async (signal) => {
    const { child, ended } = await started('new Promise(() => {})', 1);
    child.kill(signal);
    const { code, logged } = await ended;
    expect(code).toBe(0);
    expect(logged).toMatch(/"limitSeconds":1,"msg":"what was being computed did not end in time/);
  },
);

it('ends with an error when closing fails', async () => {
  const { child, ended } = await started("Promise.reject(new Error('disk gone'))", 60);
  child.kill('SIGTERM');
  const { code, logged } = await ended;
  expect(code).toBe(1);
  expect(logged).toMatch(/disk gone/);
});

it('ends with the closing, and needs nothing else to end for that', async () => {
  const { child, ended } = await started('Promise.resolve()', 60);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(0);
});

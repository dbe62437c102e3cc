import { expect, it } from 'vitest';
import { openAskedThread } from './askedThread.ts';

/** A real thread that answers each question with itself, after a while. */
const workerUrl = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', (question) =>
      setTimeout(() => parentPort.postMessage(
        question === 'bad' ? { ok: false, message: 'could not' } : { ok: true, value: question }), 5));`)}`,
);
const open = () => openAskedThread<string, string>({ workerUrl, name: 'test', timeoutMs: 5_000 });

it('answers what is urgent next, the rest in the order asked, also after a failure', async () => {
  const thread = open();
  const order: string[] = [];
  const ask = (question: string, urgent = false) =>
    thread.ask(question, { urgent }).then(
      (answer) => order.push(answer),
      (error: Error) => order.push(error.message),
    );
  await Promise.all([
    ask('first'),
    ask('bad'),
    ask('third'),
    ask('urgent one', true),
    ask('urgent two', true),
  ]);
  expect(order).toEqual(['first', 'urgent one', 'urgent two', 'could not', 'third']);
  await ask('later');
  expect(order.at(-1)).toBe('later');
  thread.dispose();
});

it('fails everything that waits when it is closed', async () => {
  const thread = open();
  const asked = ['a', 'b', 'c'].map((question) => thread.ask(question));
  thread.dispose();
  const results = await Promise.allSettled(asked);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
});

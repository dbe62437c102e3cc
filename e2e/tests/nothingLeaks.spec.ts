import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { MODEL_FILE_NAMES, readCheckpoint } from '@chorale/model';
import { joinSchema, updateSchema } from '@chorale/protocol';
import { SMALL_RUN, csvRows, untilRun } from '../support/runs.ts';
import { ServerUnderTest } from '../support/server.ts';
import { contribute, openTab } from '../support/tab.ts';

const MODEL = new URL('../../assets/models/tiny-encoder/', import.meta.url);
const CANARIES = ['quixotic zanzibar marmalade', 'velvet hippodrome gazette', 'obsidian kettledrum parsnip'];
// Counts that stand nowhere else: 211 rows of health, 96 of money
const HEALTH_ROWS = 211;
const MONEY_ROWS = 96;

/** Event and value of a text frame of socket.io; none for its handshakes and heartbeats. */
function messageIn(frame: string): [event: string, value: unknown][] {
  const json = /^4(?:2|5\d+-)[^[]*(\[.*\])$/s.exec(frame)?.[1];
  if (json === undefined) return [];
  const [event, value] = JSON.parse(json) as [string, unknown];
  return [[event, value]];
}

test('texts, token ids and counts of rows stay in the tab', async ({ browser }) => {
  const server = await ServerUnderTest.create(
    { ...SMALL_RUN, rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 } },
    csvRows(12),
  );
  try {
    const { contributeUrl } = await server.start();
    const tab = await openTab(browser);
    const sent: Buffer[] = [];
    const texts: string[] = [];
    const posted: string[] = [];
    let binaryFrames = 0;
    tab.page.context().on('request', (request) => {
      sent.push(Buffer.from(request.url()), Buffer.from(JSON.stringify(request.headers())));
      const body = request.postDataBuffer();
      if (body) sent.push(body);
      if (request.method() !== 'GET') posted.push(`${request.method()} ${new URL(request.url()).pathname}`);
    });
    tab.page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => {
        if (typeof payload !== 'string') binaryFrames += 1;
        else texts.push(payload);
        sent.push(Buffer.from(payload));
      }),
    );
    const rowTexts = Array.from(
      { length: HEALTH_ROWS + MONEY_ROWS },
      (_, i) => `${CANARIES[i % 3]!} number ${i}`,
    );
    const csv = [
      'text,label',
      ...rowTexts.map((text, i) => `${text},${i < HEALTH_ROWS ? 'health' : 'money'}`),
    ];
    await contribute(tab, new URL('?backend=wasm', contributeUrl).href, csv.join('\n'));
    const { run } = await untilRun(contributeUrl, ({ state }) => state.status === 'completed');
    await expect(tab.page.locator('[data-status]')).toHaveAttribute('data-status', 'stopped');

    // The capture works: both updates are in it, whole
    expect(binaryFrames).toBe(2);
    expect(sent.filter((bytes) => bytes.length === 80 + 4 * run.plan.parameterCount)).toHaveLength(2);
    expect(sent.some((bytes) => bytes.includes('"join"'))).toBe(true);
    // Nothing but what the protocol knows: strict schemas, so no field more, and of the ledger only the rounds
    const messages = texts.flatMap(messageIn);
    expect(new Set(messages.map(([event]) => event))).toEqual(new Set(['join', 'update']));
    for (const [event, value] of messages) {
      if (event === 'update') updateSchema.parse(value);
      else expect(joinSchema.parse(value).chargedRounds).toEqual([]);
    }
    // Beside the socket, who she is, for when the browser loses it
    expect(new Set(posted)).toEqual(new Set([`POST /api/runs/${run.runId}/identity`]));
    // … and what the worker asks for, too: the model comes through it
    expect(sent.some((bytes) => bytes.includes('model.safetensors'))).toBe(true);

    const everything = Buffer.concat(sent.flatMap((bytes) => [bytes, Buffer.from('\n')]));
    for (const word of CANARIES.flatMap((canary) => canary.split(' '))) {
      expect(everything.includes(word), `the word "${word}" left the tab`).toBe(false);
    }
    const files = new Map(
      MODEL_FILE_NAMES.map((name) => [name, new Uint8Array(readFileSync(new URL(name, MODEL)))]),
    );
    const { tokenize } = readCheckpoint(files);
    for (const canary of CANARIES) {
      const ids = tokenize(canary).slice(1, -1);
      expect(ids.length).toBeGreaterThanOrEqual(4);
      for (let i = 0; i + 3 <= ids.length; i++) {
        const three = ids.slice(i, i + 3);
        expect(everything.includes(three.join(',')), `token ids ${three.join()} left as JSON`).toBe(false);
        expect(
          everything.includes(Buffer.from(Uint32Array.from(three).buffer)),
          `ids ${three.join()} left`,
        ).toBe(false);
      }
    }
    for (const count of [HEALTH_ROWS, MONEY_ROWS, HEALTH_ROWS + MONEY_ROWS]) {
      const text = sent
        .filter((bytes) => bytes.length < 4096)
        .map(String)
        .join('\n');
      expect(text, `the count ${count} left as text`).not.toMatch(
        new RegExp(`(?<![\\w.-])${count}(?![\\w.-])`),
      );
      const int32 = Buffer.from(Uint32Array.of(count).buffer);
      const float32 = Buffer.from(Float32Array.of(count).buffer);
      expect(everything.includes(int32), `the count ${count} left as an integer`).toBe(false);
      expect(everything.includes(float32), `the count ${count} left as a float`).toBe(false);
    }
    expect(tab.problems).toEqual([]);
  } finally {
    await server.dispose();
  }
});

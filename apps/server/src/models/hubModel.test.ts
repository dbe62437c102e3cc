import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalHub } from '@chorale/testing/localHub';
import type { Log } from '../log.ts';
import type { RecordedLine } from '../testing/recordedLog.ts';
import { recordedLog } from '../testing/recordedLog.ts';
import type { Hub } from './hub.ts';
import { openHubModel } from './hubModel.ts';

const WEIGHTS = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 251);
const CONFIG = new TextEncoder().encode('{"hidden_size": 32}');

let directory: string;
let hub: LocalHub;
let progress: { downloadedBytes: number; totalBytes: number }[];
let logged: RecordedLine[];
let log: Log;
let interruptions: string[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-hub-'));
  hub = await LocalHub.start(
    new Map([
      ['README.md', new TextEncoder().encode('not needed')],
      ['config.json', CONFIG],
      ['model.safetensors', WEIGHTS],
    ]),
  );
  progress = [];
  ({ log, lines: logged } = recordedLog());
  interruptions = [];
});
afterEach(async () => {
  await hub.stop();
  rmSync(directory, { recursive: true, force: true });
});

const openModel = (
  changes: Partial<Hub> = {},
  revision = 'main',
  { repository = hub.repository, keptCommit = null as string | null } = {},
) =>
  openHubModel(
    { repository, revision },
    {
      hub: {
        endpoint: hub.endpoint,
        token: null,
        retryDelayMs: 1,
        silenceMs: 10_000,
        onInterruption: (message) => interruptions.push(message),
        ...changes,
      },
      directory,
      keptCommit,
      neededModelFiles: (names) => names.filter((name) => !name.endsWith('.md')),
      onProgress: (state) => progress.push(state),
      log,
    },
  );

const weightsPath = () => join(directory, hub.repository, hub.commit, 'model.safetensors');
const ranges = () => hub.fileRequests.flatMap(({ headers }) => headers.range ?? []);

async function expectWhole(changes: Partial<Hub> = {}): Promise<void> {
  const { files, source } = await openModel(changes);
  expect(source).toEqual({ repository: 'acme/tiny', revision: hub.commit });
  expect([...files.keys()]).toEqual(['config.json', 'model.safetensors']);
  expect(Buffer.compare(files.get('config.json')!, CONFIG)).toBe(0);
  expect(Buffer.compare(files.get('model.safetensors')!, WEIGHTS)).toBe(0);
  expect(readdirSync(join(directory, hub.repository, hub.commit))).toEqual([
    'config.json',
    'model.safetensors',
  ]);
}

describe('a model', () => {
  test('is downloaded through the redirect, needed files only, with its size told', async () => {
    await expectWhole();
    expect(hub.filesAsked).toEqual(['config.json', 'model.safetensors']);
    expect(progress.at(-1)).toEqual({
      downloadedBytes: CONFIG.byteLength + WEIGHTS.byteLength,
      totalBytes: CONFIG.byteLength + WEIGHTS.byteLength,
    });
    expect(progress.length).toBeGreaterThan(3);
  });

  test('is downloaded once: neither a later start nor another name of the commit loads it again', async () => {
    await openModel();
    await openModel({}, 'v1');
    await expectWhole();
    expect(hub.filesAsked).toHaveLength(2);
  });

  test('is resolved anew for a new run, and a run that goes on keeps its commit', async () => {
    await openModel();
    const first = hub.commit;
    hub.commit = 'b'.repeat(40);
    hub.files.set('model.safetensors', WEIGHTS.with(5, 1));

    const asked = hub.requests.length;
    const kept = await openModel({}, 'main', { keptCommit: first });
    expect(kept.source.revision).toBe(first);
    expect(Buffer.compare(kept.files.get('model.safetensors')!, WEIGHTS)).toBe(0);
    expect(hub.requests).toHaveLength(asked);

    const { source, files } = await openModel();
    expect(source.revision).toBe(hub.commit);
    expect(files.get('model.safetensors')![5]).toBe(1);
    expect(logged.at(-1)?.msg).toBe(`model acme/tiny@main was commit ${first} and is ${hub.commit} now`);
    // What it was before is still there
    expect((await openModel({}, 'main', { keptCommit: first })).source.revision).toBe(first);
  });

  test('is taken as it was last when the hub is away, and by its commit without asking at all', async () => {
    await openModel();
    await hub.stop();
    await expectWhole();
    expect(logged.at(-1)?.msg).toContain(`when it was last asked, commit ${hub.commit}`);
    expect(interruptions).toHaveLength(2);
    await openModel({}, hub.commit);
    expect(interruptions).toHaveLength(2);
    await expect(openModel({}, 'v1')).rejects.toMatchObject({ code: 'HUB_UNREACHABLE' });
  });

  test('is not taken as it was when the hub refuses it by now', async () => {
    await openModel();
    hub.token = 'hf_secret';
    await expect(openModel()).rejects.toMatchObject({ code: 'HUB_REFUSED' });
  });

  test('may have empty files', async () => {
    hub.files.set('special_tokens_map.json', new Uint8Array());
    for (let start = 0; start < 2; start++) {
      const { files } = await openModel();
      expect(files.get('special_tokens_map.json')).toEqual(new Uint8Array());
    }
    expect(readdirSync(join(directory, hub.repository, hub.commit))).toHaveLength(3);
    expect(hub.filesAsked).toHaveLength(2);
  });

  test('is mended where its files were changed since', async () => {
    await openModel();
    writeFileSync(weightsPath(), WEIGHTS.with(5, WEIGHTS[5]! ^ 1));
    await expectWhole();
    expect(hub.filesAsked).toEqual(['config.json', 'model.safetensors', 'model.safetensors']);
    expect(logged.map(({ msg }) => msg).join('\n')).toContain('is downloaded again');
  });

  test('may be in several files', async () => {
    hub.files.delete('model.safetensors');
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    names.forEach((name, i) => hub.files.set(name, WEIGHTS.slice(0, 1000 * (i + 1))));
    hub.files.set('model.safetensors.index.json', new TextEncoder().encode('{}'));
    const { files } = await openModel();
    expect([...files.keys()]).toEqual(['config.json', ...names, 'model.safetensors.index.json']);
    expect(files.get(names[1]!)).toHaveLength(2000);
  });
});

describe('the access token', () => {
  test('goes to the hub, and not to where it redirects', async () => {
    hub.token = 'hf_secret';
    await expectWhole({ token: 'hf_secret' });
    expect(hub.requests).toHaveLength(3);
    for (const { headers } of hub.requests) expect(headers.authorization).toBe('Bearer hf_secret');
    expect(hub.fileRequests).toHaveLength(2);
    for (const { headers } of hub.fileRequests) expect(headers.authorization).toBeUndefined();
  });

  test('is asked for when the hub wants one, and is in no message', async () => {
    hub.token = 'hf_secret';
    await expect(openModel()).rejects.toMatchObject({
      code: 'HUB_REFUSED',
      message: expect.stringMatching(
        /answered 401 \(Repository not found\) .*acme\/tiny@main.* HF_TOKEN/,
      ) as string,
    });
    const wrong = openModel({ token: 'hf_other' });
    await expect(wrong).rejects.toMatchObject({ code: 'HUB_REFUSED' });
    await expect(wrong).rejects.not.toThrow(/hf_other/);
  });
});

describe('what goes wrong on the way is taken up again:', () => {
  test('a connection that is cut twice', async () => {
    hub.answerFile = (name, count) =>
      name === 'model.safetensors' && count < 3 ? { how: 'cut', after: 100_000 } : { how: 'right' };
    await expectWhole();
    expect(ranges()).toHaveLength(2);
    const [first, second] = ranges().map((range) => Number(/\d+/.exec(range)![0]));
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(first!);
    expect(hub.fileRequests.at(-1)!.headers['if-range']).toMatch(/^"[0-9a-f]{32}"$/);
    expect(progress.at(-1)!.downloadedBytes).toBe(progress.at(-1)!.totalBytes);
  });

  test('a server without ranges, which sends everything again', async () => {
    hub.answerFile = (name, count) =>
      name === 'model.safetensors' && count === 1 ? { how: 'cut', after: 100_000 } : { how: 'no-ranges' };
    await expectWhole();
    expect(ranges()).toHaveLength(1);
    expect(hub.filesAsked).toEqual(['config.json', 'model.safetensors', 'model.safetensors']);
    expect(progress.at(-1)!.downloadedBytes).toBe(progress.at(-1)!.totalBytes);
  });

  test('too many requests, for as long as the hub asks', async () => {
    const askedAtMs: number[] = [];
    hub.answerFile = (_, count) => {
      askedAtMs.push(Date.now());
      return count === 1 ? { how: 'status', status: 429, headers: { 'retry-after': '1' } } : { how: 'right' };
    };
    await expectWhole();
    expect(askedAtMs[1]! - askedAtMs[0]!).toBeGreaterThanOrEqual(950);
    expect(interruptions[0]).toMatch(/answered 429 when asked for config\.json; next attempt in 1 s$/);
  });

  test('an answer of 503, and a connection on which nothing comes', async () => {
    hub.answerFile = (name, count) => {
      if (name === 'config.json') return count < 4 ? { how: 'status', status: 503 } : { how: 'right' };
      return count === 1 ? { how: 'stall', after: 1000 } : { how: 'right' };
    };
    await expectWhole({ silenceMs: 500 });
  });

  test('a wrong byte, once', async () => {
    hub.answerFile = (_, count) => (count === 1 ? { how: 'wrong-byte' } : { how: 'right' });
    await expectWhole();
    expect(hub.filesAsked).toHaveLength(4);
  });

  test('a process that was killed in the middle', async () => {
    const program = `
      const { stderrLog } = await import(${JSON.stringify(new URL('../log.ts', import.meta.url).href)});
      const { openHubModel } = await import(${JSON.stringify(new URL('./hubModel.ts', import.meta.url).href)});
      await openHubModel({ repository: 'acme/tiny', revision: 'main' }, {
        hub: { endpoint: ${JSON.stringify(hub.endpoint)}, token: null, retryDelayMs: 1, silenceMs: 60_000, onInterruption: () => {} },
        directory: ${JSON.stringify(directory)},
        keptCommit: null,
        neededModelFiles: (names) => names.filter((name) => !name.endsWith('.md')),
        onProgress: ({ downloadedBytes }) => { if (downloadedBytes >= 150_000) console.log('half'); },
        log: stderrLog,
      });
    `;
    hub.answerFile = (name) =>
      name === 'model.safetensors' ? { how: 'stall', after: 150_000 } : { how: 'right' };
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    const kept = statSync(`${weightsPath()}.partial`).size;
    expect(kept).toBe(150_000);
    expect(existsSync(weightsPath())).toBe(false);

    hub.answerFile = () => ({ how: 'right' });
    await expectWhole();
    expect(ranges()).toEqual([`bytes=${kept}-`]);
  });

  test('a partial file of something else', async () => {
    const kept = `${weightsPath()}.partial`;
    for (const bytes of [
      WEIGHTS.slice(0, 1000).reverse(),
      new Uint8Array(WEIGHTS.byteLength),
      new Uint8Array(400_000),
    ]) {
      rmSync(directory, { recursive: true });
      mkdirSync(join(directory, hub.repository, hub.commit), { recursive: true });
      writeFileSync(kept, bytes);
      await expectWhole();
    }
  });
});

describe('is refused with a sentence that says what to do:', () => {
  const cases: [string, () => void, string, RegExp][] = [
    [
      'a wrong byte twice',
      () => (hub.answerFile = () => ({ how: 'wrong-byte' })),
      'MODEL_INVALID',
      /other ones, twice.*HF_ENDPOINT/,
    ],
    [
      'a shorter file',
      () => (hub.answerFile = () => ({ how: 'short', by: 1 })),
      'MODEL_INVALID',
      /config\.json with 19 bytes .*; 18 bytes came/,
    ],
    [
      'a file that is always cut at once',
      () => (hub.answerFile = () => ({ how: 'cut', after: 0 })),
      'HUB_UNREACHABLE',
      /8 times in a row.*what was downloaded is kept/,
    ],
    [
      'a gated file',
      () => (hub.answerFile = () => ({ how: 'status', status: 403 })),
      'HUB_REFUSED',
      /answered 403 .*HF_TOKEN/,
    ],
    [
      'an answer that is no description',
      () => (hub.answerApi = (response) => Boolean(response.end('<html>'))),
      'HUB_REFUSED',
      /Is HF_ENDPOINT a model hub/,
    ],
    [
      'an answer without an end',
      () =>
        (hub.answerApi = (response) => {
          const more = (): void => {
            if (!response.destroyed) response.write(' '.repeat(1 << 20), more);
          };
          more();
          return true;
        }),
      'HUB_REFUSED',
      /expected at most 16777216 bytes when asked for acme\/tiny@main/,
    ],
    [
      'a file in a folder above',
      () => void hub.files.set('../../evil.json', CONFIG),
      'HUB_REFUSED',
      /in no folder/,
    ],
    [
      'redirects without an end',
      () =>
        (hub.answerApi = (response) =>
          Boolean(response.writeHead(302, { location: hub.requests[0]!.url }).end())),
      'HUB_REFUSED',
      /more than 5 times/,
    ],
  ];
  test.each(cases)('%s', async (_, prepare, code, message) => {
    prepare();
    await expect(openModel()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    expect(existsSync(weightsPath())).toBe(false);
  });

  test('a revision or a repository that is not there', async () => {
    await expect(openModel({}, 'v9/beta')).rejects.toMatchObject({
      code: 'HUB_REFUSED',
      message: expect.stringMatching(/404 \(Invalid rev id: v9\/beta\).*the name and the revision/) as string,
    });
    hub.answerApi = (response) => Boolean(response.end(JSON.stringify({ sha: hub.commit, siblings: [] })));
    await expect(openModel({}, 'c'.repeat(40))).rejects.toMatchObject({
      code: 'HUB_REFUSED',
      message: expect.stringMatching(/expected acme\/tiny@c{40} to be that commit/) as string,
    });
    await expect(openModel({}, 'main', { repository: 'acme/none' })).rejects.toMatchObject({
      code: 'HUB_REFUSED',
    });
  });

  test('a hub that is not there', async () => {
    await hub.stop();
    await expect(openModel()).rejects.toMatchObject({
      code: 'HUB_UNREACHABLE',
      message: expect.stringMatching(/acme\/tiny@main could not be asked of .*8 times in a row/) as string,
    });
  });

  test.skipIf(!existsSync('/dev/full'))('a full disk', async () => {
    mkdirSync(join(directory, hub.repository, hub.commit), { recursive: true });
    symlinkSync('/dev/full', `${weightsPath()}.partial`);
    await expect(openModel()).rejects.toMatchObject({
      code: 'STORE_ERROR',
      message: expect.stringMatching(/model\.safetensors .*the disk is full\. Make room/) as string,
    });
    expect(readFileSync(join(directory, hub.repository, 'main.json'), 'utf8')).toContain(hub.commit);
  });
});

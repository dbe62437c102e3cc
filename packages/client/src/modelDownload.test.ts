import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ModelFile } from '@chorale/protocol';
import { modelPiecePath, sha256Hex } from '@chorale/protocol';
import { downloadModel } from './modelDownload.ts';
import { directoryPieceCache } from './node/directoryPieceCache.ts';
import type { OpenPieceCache } from './pieceCache.ts';

let server: Server;
let url: string;
/** Paths that were asked for, in order. */
let asked: string[];
/** What is answered to the so many-th request for a piece, from 1. */
let respond: (bytes: Uint8Array, response: ServerResponse, count: number) => void;
let contents: Map<string, Uint8Array>;
let directory: string;

beforeEach(async () => {
  asked = [];
  contents = new Map();
  respond = (bytes, response) => response.end(bytes);
  directory = mkdtempSync(join(tmpdir(), 'chorale-pieces-'));
  server = createServer(({ url: path }, response) => {
    asked.push(path!);
    const bytes = contents.get(path!);
    if (bytes) respond(bytes, response, asked.filter((one) => one === path).length);
    else response.writeHead(404).end('no such piece');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

const BYTES = Uint8Array.from({ length: 350_000 }, (_, i) => (i * 7 + (i >> 8)) % 251);
const CONFIG = new TextEncoder().encode('{"hidden_size": 32}');
const NO_CACHE: OpenPieceCache = async () => null;

/** A file in pieces of 100 kB, which the server has. */
async function fileOf(name: string, bytes: Uint8Array): Promise<ModelFile> {
  const pieces: ModelFile['pieces'] = [];
  for (let at = 0; at < bytes.length; at += 100_000) {
    const piece = bytes.slice(at, at + 100_000);
    const sha256 = await sha256Hex(piece);
    contents.set(modelPiecePath({ sha256 }), piece);
    pieces.push({ sizeBytes: piece.length, sha256 });
  }
  return { name, sizeBytes: bytes.length, sha256: await sha256Hex(bytes), pieces };
}

const load = (
  files: ModelFile[],
  openCache = NO_CACHE,
  onProgress = (_loaded: number, _total: number) => {},
) => downloadModel({ serverUrl: url, files, openCache, onProgress, retryDelayMs: 1 });

async function expectFailure(files: ModelFile[], code: string, message: RegExp, openCache = NO_CACHE) {
  await expect(load(files, openCache)).rejects.toMatchObject({
    name: 'ChoraleError',
    code,
    message: expect.stringMatching(message) as string,
  });
}

test('gives every file under its name and tells how many bytes are here', async () => {
  const files = [await fileOf('config.json', CONFIG), await fileOf('weights.bin', BYTES)];
  const seen: [number, number][] = [];
  const model = await load(files, NO_CACHE, (...progress) => seen.push(progress));
  expect([...model.keys()]).toEqual(['config.json', 'weights.bin']);
  expect(model.get('config.json')).toEqual(CONFIG);
  expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
  expect(asked.toSorted()).toEqual([...contents.keys()].toSorted());
  const total = CONFIG.length + BYTES.length;
  expect(seen.every(([loaded, all]) => loaded <= all && all === total)).toBe(true);
  expect(seen.map(([loaded]) => loaded)).toEqual(seen.map(([loaded]) => loaded).toSorted((a, b) => a - b));
  expect(seen.at(-1)).toEqual([total, total]);
});

test('loads a piece once that the model has in several places', async () => {
  const files = [
    await fileOf('zeros', new Uint8Array(300_000)),
    await fileOf('more', new Uint8Array(100_000)),
  ];
  const model = await load(files);
  expect(asked).toHaveLength(1);
  expect(model.get('zeros')).toHaveLength(300_000);
});

test('loads a few pieces at the same time, and no more', async () => {
  const files = [
    await fileOf('weights.bin', BYTES.slice(0, 350_000)),
    await fileOf(
      'b',
      BYTES.map((v) => v ^ 1),
    ),
  ];
  let open = 0;
  let most = 0;
  respond = (bytes, response) => {
    open += 1;
    most = Math.max(most, open);
    setTimeout(() => {
      open -= 1;
      response.end(bytes);
    }, 100);
  };
  await load(files);
  expect(most).toBe(3);
});

describe('is taken up again by itself when', () => {
  const interruptions: [string, (bytes: Uint8Array, response: ServerResponse) => void][] = [
    [
      'the connection breaks half way',
      (bytes, response) => {
        response.writeHead(200, { 'content-length': String(bytes.length) });
        response.write(bytes.subarray(0, 5_000), () => response.destroy());
      },
    ],
    ['the server is restarting', (_, response) => response.writeHead(503).end()],
    ['the server is busy', (_, response) => response.writeHead(429, { 'retry-after': '0' }).end()],
    ['a byte is wrong, once', (bytes, response) => response.end(bytes.with(0, bytes[0]! ^ 1))],
    ['a piece is too long, once', (bytes, response) => response.end(Buffer.concat([bytes, bytes]))],
    ['a piece is too short, once', (bytes, response) => response.end(bytes.subarray(1))],
  ];
  test.each(interruptions)('%s', async (_, interrupt) => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (bytes, response, count) => (count === 1 ? interrupt(bytes, response) : response.end(bytes));
    const seen: number[] = [];
    const model = await load(files, NO_CACHE, (loaded) => seen.push(loaded));
    expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
    expect(asked).toHaveLength(8);
    expect(seen.at(-1)).toBe(BYTES.length);
  });
});

describe('is refused when', () => {
  test('the bytes are wrong twice', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (bytes, response) => response.end(bytes.with(7, bytes[7]! ^ 1));
    await expectFailure(
      files,
      'MODEL_INVALID',
      /weights\.bin is not the file this run's plan names, also when asked/,
    );
  });

  test('more comes than the plan says, without an end even', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (bytes, response) => {
      const more = () => {
        while (!response.destroyed && response.write(bytes));
      };
      response.on('drain', more);
      more();
    };
    await expectFailure(files, 'MODEL_INVALID', /weights\.bin/);
  });

  test('its pieces are not together the file that the plan names', async () => {
    const file = await fileOf('weights.bin', BYTES);
    const [first, second, ...others] = file.pieces;
    await expectFailure(
      [{ ...file, pieces: [second!, first!, ...others] }],
      'MODEL_INVALID',
      /plan .* contradicts itself: .* weights\.bin/,
    );
    const small = await fileOf('config.json', CONFIG);
    await expectFailure([{ ...small, sha256: file.sha256 }], 'MODEL_INVALID', /config\.json/);
  });

  test('the server does not have it', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    contents.clear();
    await expectFailure(files, 'DISCONNECTED', /does not have the model .*the server answered 404.* Reload/);
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  test('the connection breaks again and again', async () => {
    const files = [await fileOf('config.json', CONFIG)];
    respond = (_, response) => response.destroy();
    await expectFailure(files, 'DISCONNECTED', /config\.json could not be loaded: no connection .* is kept/);
    expect(asked).toHaveLength(6);
  });

  test('the server is gone', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    server.close();
    await expectFailure(files, 'DISCONNECTED', /weights\.bin .*no connection to the server/);
  });
});

describe('with a cache', () => {
  test('fetches only what an attempt that failed had not kept, and then nothing', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    const last = modelPiecePath(files[0]!.pieces[3]!);
    respond = (bytes, response) => {
      if (bytes === contents.get(last)) response.writeHead(404).end();
      else response.end(bytes);
    };
    await expectFailure(files, 'DISCONNECTED', /answered 404/, directoryPieceCache(directory));
    const kept = readdirSync(directory).map((name) => `/models/${name}`);
    expect(kept.length).toBeGreaterThan(0);
    asked.length = 0;
    respond = (bytes, response) => response.end(bytes);
    await load(files, directoryPieceCache(directory));
    expect(asked.toSorted()).toEqual([...contents.keys()].filter((path) => !kept.includes(path)).toSorted());

    server.close();
    server.closeAllConnections();
    const seen: [number, number][] = [];
    const model = await load(files, directoryPieceCache(directory), (...progress) => seen.push(progress));
    expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
    expect(seen.at(-1)).toEqual([BYTES.length, BYTES.length]);
  });

  test('fetches again what was changed in it', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    await load(files, directoryPieceCache(directory));
    const [first, second] = files[0]!.pieces;
    writeFileSync(join(directory, first!.sha256), BYTES.slice(1, 100_001));
    writeFileSync(join(directory, second!.sha256), 'short');
    asked.length = 0;
    const model = await load(files, directoryPieceCache(directory));
    expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
    expect(asked.toSorted()).toEqual([first!, second!].map(modelPiecePath).toSorted());
    await load(files, directoryPieceCache(directory));
    expect(asked).toHaveLength(2);
  });

  test('that fails at everything, loads without it', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    let puts = 0;
    const fail = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
    const put = () => {
      puts += 1;
      return fail();
    };
    const model = await load(files, async () => ({ get: fail, put, remove: fail, evict: fail }));
    expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
    expect(puts).toBeLessThanOrEqual(3);
    await load(files, () => Promise.reject(new Error('a private window')));
    // A file where the folder should be
    writeFileSync(join(directory, 'file'), '');
    await load(files, directoryPieceCache(join(directory, 'file')));
  });
});

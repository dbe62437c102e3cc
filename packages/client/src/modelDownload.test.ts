import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ModelFile } from '@chorale/protocol';
import { sha256Hex } from '@chorale/protocol';
import { downloadModel } from './modelDownload.ts';

let server: Server;
let url: string;
let respond: (path: string, response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer((request, response) => respond(request.url!, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251);

async function fileOf(name: string, bytes: Uint8Array): Promise<ModelFile> {
  return { name, path: `/model/${name}`, sizeBytes: bytes.byteLength, sha256: await sha256Hex(bytes) };
}

const expectFailure = async (files: ModelFile[], code: string, message: RegExp) => {
  await expect(downloadModel(url, files, () => undefined)).rejects.toMatchObject({
    name: 'ChoraleError',
    code,
    message: expect.stringMatching(message) as string,
  });
};

test('gives every file under its name and tells how far it is', async () => {
  const config = new TextEncoder().encode('{"hidden_size": 32}');
  const files = [
    await fileOf('config.json', config),
    await fileOf('weights.bin', BYTES),
    await fileOf('empty', new Uint8Array()),
  ];
  const contents = new Map([
    ['/model/config.json', config],
    ['/model/weights.bin', BYTES],
    ['/model/empty', new Uint8Array()],
  ]);
  respond = (path, response) => response.end(contents.get(path));
  const fractions: number[] = [];
  const model = await downloadModel(url, files, (fraction) => fractions.push(fraction));
  expect([...model.keys()]).toEqual(['config.json', 'weights.bin', 'empty']);
  expect(model.get('config.json')).toEqual(config);
  expect(Buffer.compare(model.get('weights.bin')!, BYTES)).toBe(0);
  expect(model.get('empty')).toHaveLength(0);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions[0]).toBeGreaterThan(0);
  expect(fractions.at(-1)).toBe(1);
});

describe('is refused when', () => {
  test('the bytes are others of the same length', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (_, response) => response.end(BYTES.with(299_999, BYTES[299_999]! ^ 1));
    await expectFailure(files, 'MODEL_INVALID', /weights\.bin is not the file this run's plan names/);
  });

  test('a file is shorter than the plan says', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (_, response) => response.end(BYTES.subarray(1));
    await expectFailure(files, 'DISCONNECTED', /weights\.bin .*299999 of 300000 bytes came/);
  });

  test('a file is longer than the plan says, without an end even', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(BYTES));
      };
      response.on('drain', more);
      more();
    };
    await expectFailure(files, 'DISCONNECTED', /more than the expected 300000 bytes came/);
  });

  test('the server has no such file', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (_, response) => response.writeHead(404).end('no such file');
    await expectFailure(files, 'DISCONNECTED', /weights\.bin .*the server answered 404/);
  });

  test('the connection breaks half way', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    respond = (_, response) => {
      response.writeHead(200, { 'content-length': String(BYTES.byteLength) });
      response.write(BYTES.subarray(0, 100_000), () => response.destroy());
    };
    await expectFailure(files, 'DISCONNECTED', /weights\.bin .*the connection broke/);
  });

  test('the server is gone', async () => {
    const files = [await fileOf('weights.bin', BYTES)];
    server.close();
    await expectFailure(files, 'DISCONNECTED', /weights\.bin .*no connection to the server/);
  });
});

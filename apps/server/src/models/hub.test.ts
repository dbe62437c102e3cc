import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hubFromEnvironment } from './hub.ts';

const hubOf = (environment: NodeJS.ProcessEnv) => hubFromEnvironment(environment, () => undefined);

const directory = mkdtempSync(join(tmpdir(), 'chorale-token-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('the hub is the public one, without a token, unless the environment names others', () => {
  expect(hubOf({})).toMatchObject({ endpoint: 'https://huggingface.co', token: null });
  const path = join(directory, 'token');
  writeFileSync(path, 'hf_file\n');
  const named = { HF_ENDPOINT: 'http://mirror:8080/hub/', HF_TOKEN_PATH: path };
  expect(hubOf(named)).toMatchObject({ endpoint: 'http://mirror:8080/hub', token: 'hf_file' });
  expect(hubOf({ ...named, HF_TOKEN: 'hf_named' }).token).toBe('hf_named');
});

test.each([
  [{ HF_ENDPOINT: 'mirror' }, /HF_ENDPOINT: expected an http or https address, got mirror/],
  [{ HF_ENDPOINT: 'ftp://mirror' }, /HF_ENDPOINT/],
  [{ HF_TOKEN_PATH: '/no/such/file' }, /HF_TOKEN_PATH: expected a file at \/no\/such\/file/],
  [{ HF_TOKEN: 'hf_a\nx-header: b' }, /HF_TOKEN: expected one word/],
])('refuses %j', (environment, message) => {
  expect(() => hubOf(environment)).toThrow(message);
});

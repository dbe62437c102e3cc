import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hubFromEnvironment } from './hub.ts';

const hubOf = (environment: NodeJS.ProcessEnv) => hubFromEnvironment(environment, () => undefined);

const directory = mkdtempSync(join(tmpdir(), 'chorale-token-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('the hub is the public one, without a token, unless the environment names others', () => {
  expect(hubOf({ HOME: directory })).toMatchObject({ endpoint: 'https://huggingface.co', token: null });
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
  [{ HF_TOKEN_PATH: directory }, /cannot be read \(EISDIR\)/],
  [{ HF_TOKEN: 'hf_a\nx-header: b' }, /HF_TOKEN: expected one word/],
])('refuses %j', (environment, message) => {
  expect(() => hubOf(environment)).toThrow(message);
});

test("the token that `hf auth login` leaves is found as by the hub's own tools, after those that are named", () => {
  const leave = (folder: string, token: string) => {
    mkdirSync(join(directory, folder), { recursive: true });
    writeFileSync(join(directory, folder, 'token'), `${token}\n`);
  };
  leave('.cache/huggingface', 'hf_home');
  leave('cache/huggingface', 'hf_cache');
  leave('elsewhere', 'hf_elsewhere');
  leave('named', 'hf_named');
  leave('empty', '');
  const tokenOf = (environment: NodeJS.ProcessEnv) => hubOf({ HOME: directory, ...environment }).token;
  expect(tokenOf({})).toBe('hf_home');
  const cache = { XDG_CACHE_HOME: join(directory, 'cache') };
  expect(tokenOf(cache)).toBe('hf_cache');
  const home = { ...cache, HF_HOME: '~/elsewhere' };
  expect(tokenOf(home)).toBe('hf_elsewhere');
  const path = { ...home, HF_TOKEN_PATH: '~/named/token' };
  expect(tokenOf(path)).toBe('hf_named');
  const old = { ...path, HUGGING_FACE_HUB_TOKEN: 'hf_old' };
  expect(tokenOf(old)).toBe('hf_old');
  const token = { ...old, HF_TOKEN: ' hf_first ' };
  expect(tokenOf(token)).toBe('hf_first');
  for (const value of ['1', 'True']) {
    expect(tokenOf({ ...token, HF_HUB_DISABLE_IMPLICIT_TOKEN: value })).toBeNull();
  }
  expect(tokenOf({ ...token, HF_HUB_DISABLE_IMPLICIT_TOKEN: '0' })).toBe('hf_first');
  expect(tokenOf({ HF_HOME: join(directory, 'empty') })).toBeNull();
  expect(tokenOf({ HF_HOME: join(directory, 'nowhere') })).toBeNull();
});

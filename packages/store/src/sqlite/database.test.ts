import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDatabase, openDatabase, schemaVersion } from './database.ts';
import { transaction } from './transaction.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-database-'));
  path = join(directory, 'test.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('writes through to the disk', () => {
  const database = openDatabase(path);
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 }); // 2 = FULL
  expect(database.prepare('PRAGMA foreign_keys').get()).toEqual({ foreign_keys: 1 });
  database.close();
});

it('brings an older schema up to date, one step after the other, and keeps its rows', () => {
  const old = openDatabase(path, ['CREATE TABLE one (a INTEGER)']);
  old.exec('INSERT INTO one VALUES (5)');
  old.close();
  const newer = openDatabase(path, ['this step must not run again', 'ALTER TABLE one ADD COLUMN b INTEGER']);
  expect(schemaVersion(newer)).toBe(2);
  expect(newer.prepare('SELECT a, b FROM one').get()).toEqual({ a: 5, b: null });
  newer.close();
});

it('leaves the schema as it was when a step fails', () => {
  openDatabase(path, ['CREATE TABLE one (a INTEGER)']).close();
  expect(() => openDatabase(path, ['', 'CREATE TABLE two (a INTEGER); this is no SQL'])).toThrow(
    /could not open/,
  );
  const again = openDatabase(path, ['not run']);
  expect(schemaVersion(again)).toBe(1);
  expect(again.prepare("SELECT name FROM sqlite_schema WHERE name = 'two'").get()).toBeUndefined();
  again.close();
});

it('makes a new file whole or not at all', () => {
  expect(() => openDatabase(path, ['CREATE TABLE two (a INTEGER); this is no SQL'])).toThrow(
    /could not open/,
  );
  expect(readdirSync(directory)).toEqual([]);
  openDatabase(path).close();
  expect(readdirSync(directory)).toEqual(['test.sqlite']);
});

it('leaves the file of whoever was faster', () => {
  const first = openDatabase(path, ['CREATE TABLE one (a INTEGER)', 'INSERT INTO one VALUES (1)']);
  // As if this process had not seen it when it looked
  createDatabase(path, ['CREATE TABLE one (a INTEGER)']);
  first.exec('INSERT INTO one VALUES (2)');
  const second = openDatabase(path, ['', '']);
  expect(second.prepare('SELECT count(*) AS n FROM one').get()).toEqual({ n: 2 });
  second.close();
  first.close();
  expect(readdirSync(directory)).toEqual(['test.sqlite']);
});

it('undoes a transaction that throws', () => {
  const database = openDatabase(path, ['CREATE TABLE one (a INTEGER)']);
  expect(() =>
    transaction(database, () => {
      database.exec('INSERT INTO one VALUES (1)');
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(database.prepare('SELECT count(*) AS n FROM one').get()).toEqual({ n: 0 });
  expect(transaction(database, () => 'yes')).toBe('yes');
  database.close();
});

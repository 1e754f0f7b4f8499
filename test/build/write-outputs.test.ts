import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Output, writeOutputs } from '../../scripts/build/write-outputs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outputs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const output = (name: string, text: string) => ({ path: join(folder, name), contents: Buffer.from(text) });
const write = (outputs: readonly Output[]) => writeOutputs(folder, join(folder, 'main.js'), outputs);
const files = () =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();

it('leaves a file alone that would be the same: a command may be starting from it', () => {
  write([output('chunks/a.js', 'a'), output('main.js', 'b')]);
  const path = join(folder, 'main.js');
  utimesSync(path, 1, 1);
  const { ino } = statSync(path);
  write([output('chunks/a.js', 'a'), output('main.js', 'b')]);
  expect([statSync(path).mtimeMs, statSync(path).ino]).toEqual([1000, ino]);
});

it('leaves the unfinished file of another build alone', () => {
  writeFileSync(join(folder, 'main.js.7.new'), 'half');
  write([output('main.js', 'b')]);
  expect(files()).toEqual(['main.js', 'main.js.7.new']);
});

it('replaces a file that differs at once, and removes what is no longer made', () => {
  write([output('chunks/old.js', 'a'), output('main.js', 'b')]);
  const { ino } = statSync(join(folder, 'main.js'));
  write([output('chunks/new.js', 'c'), output('main.js', 'd')]);
  expect(files()).toEqual(['main.js', 'new.js']);
  expect(readFileSync(join(folder, 'main.js'), 'utf8')).toBe('d');
  expect(statSync(join(folder, 'main.js')).ino).not.toBe(ino);
  expect(statSync(join(folder, 'main.js')).mode & 0o111).not.toBe(0);
  expect(statSync(join(folder, 'chunks', 'new.js')).mode & 0o111).toBe(0);
});

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { replaceFile, replaceFileBy, replaceFileSync } from '../../scripts/lib/config/replace-file.ts';
import { isRoot, needs } from '../support/needs.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replace-'));
  file = join(folder, 'workers.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

it('makes a new file and its folders for the owner alone', async () => {
  const path = join(folder, 'a', 'b', 'workers.yaml');
  await replaceFile(path, null, 'new\n');
  expect(readFileSync(path, 'utf8')).toBe('new\n');
  expect([mode(path), mode(join(folder, 'a')), mode(join(folder, 'a', 'b'))]).toEqual(['600', '700', '700']);
});

it('replaces a file, keeps its mode and leaves nothing else behind', async () => {
  writeFileSync(file, 'old\n');
  chmodSync(file, 0o644);
  const { ino } = statSync(file);
  await replaceFile(file, 'old\n', 'new\n');
  expect(readFileSync(file, 'utf8')).toBe('new\n');
  expect(mode(file)).toBe('644');
  expect(readdirSync(folder)).toEqual(['workers.yaml']);
  // Another file in its place, not the same one rewritten: a reader keeps what it has opened.
  expect(statSync(file).ino).not.toBe(ino);
});

it('replaces what a symbolic link points to, and makes it where it points to nothing', async () => {
  const link = join(folder, 'link.yaml');
  symlinkSync('workers.yaml', link);
  await replaceFile(link, null, 'new\n');
  await replaceFile(link, 'new\n', 'newer\n');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('newer\n');
});

it('writes nothing when the file is not what was read any more', async () => {
  const message = `${file} has changed in the meantime; nothing was written`;
  for (const before of ['read\n', null]) {
    writeFileSync(file, 'edited meanwhile\n');
    const error = await replaceFile(file, before, 'new\n').catch((thrown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ message, hints: ['try again'] });
    expect(readFileSync(file, 'utf8')).toBe('edited meanwhile\n');
    expect(readdirSync(folder)).toEqual(['workers.yaml']);
  }
});

describe('what is not a regular file', () => {
  it.each([
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'not a regular file'],
    ['a folder', (path: string) => mkdirSync(path), 'a folder, not a file'],
    ['a link to a FIFO', toFifo, 'not a regular file'],
  ])('%s stays, and is named', async (_, make, kind) => {
    make(file);
    const before = lstatSync(file);
    const fill = vi.fn();
    const error: unknown = await replaceFileBy(file, { fill }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ message: `${file} is ${kind}; nothing was written` });
    expect(fill).not.toHaveBeenCalled();
    expect(lstatSync(file)).toMatchObject({ ino: before.ino, mode: before.mode });
  });

  function toFifo(path: string) {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    symlinkSync('fifo', path);
  }

  // Only root can make one. Number 1:3 is the null device: it gives nothing and takes anything.
  it('a device stays one', needs(isRoot, 'root'), async () => {
    execFileSync('mknod', [file, 'c', '1', '3']);
    await expect(replaceFile(file, '', 'new')).rejects.toThrow('is not a regular file');
    expect(lstatSync(file).isCharacterDevice()).toBe(true);
  });
});

it('writes under a name that cannot be guessed, and removes it when it fails', async () => {
  const seen: string[][] = [];
  const fails = replaceFileBy(file, {
    async fill(handle) {
      await handle.writeFile('half');
      seen.push(readdirSync(folder));
      throw new CliError('the other side has gone');
    },
  });
  await expect(fails).rejects.toThrow('the other side has gone');
  await replaceFileBy(file, { fill: async () => void seen.push(readdirSync(folder)) });
  const [[first] = [], [second] = []] = seen;
  expect([first, second]).toEqual(Array(2).fill(expect.stringMatching(/^\.factory-worker-new\.\w{16}$/)));
  expect(first).not.toBe(second);
  expect(readdirSync(folder)).toEqual(['workers.yaml']);
});

it('writes our own records the same way', () => {
  const path = join(folder, 'records', 'one.json');
  replaceFileSync(path, 'old');
  writeFileSync(join(folder, 'mine'), 'mine');
  for (const name of ['.new', `.${process.pid}`, `.${process.pid}.tmp`]) {
    symlinkSync(join(folder, 'mine'), `${path}${name}`);
  }
  const before = readdirSync(join(folder, 'records'));
  replaceFileSync(path, 'new');
  expect([readFileSync(path, 'utf8'), mode(path), mode(join(folder, 'records'))]).toEqual([
    'new',
    '600',
    '700',
  ]);
  expect(readFileSync(join(folder, 'mine'), 'utf8')).toBe('mine');
  expect(readdirSync(join(folder, 'records'))).toEqual(before);
  expect(() => replaceFileSync(folder, 'new')).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
  expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
});

it('says why it cannot write', async () => {
  writeFileSync(join(folder, 'plain'), '');
  const path = join(folder, 'plain', 'workers.yaml');
  const failed = await replaceFile(path, null, 'new\n').catch((thrown) => thrown);
  expect(failed).toBeInstanceOf(CliError);
  expect(failed.message).toMatch(new RegExp(`^cannot write ${path}: `));
});

it('leaves the owner of a file as it is', needs(isRoot, 'root'), async () => {
  const { chownSync } = await import('node:fs');
  writeFileSync(file, 'old\n');
  chownSync(file, 1234, 2345);
  await replaceFile(file, 'old\n', 'new\n');
  expect(statSync(file)).toMatchObject({ uid: 1234, gid: 2345 });
});

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../scripts/lib/cli/version.ts';
import { ELSEWHERE, filesOf, PROJECTS, type Project } from './projects.ts';

const ROOT = packageRoot();
const NAMES = ['unit', ...Object.keys(PROJECTS)] as Project[];

const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => join('test', path))
  .sort();
const expression = (pattern: string) =>
  new RegExp(
    `^${pattern.replace(/[.]|\*\*\/?|\*/g, (part) => (part === '.' ? '\\.' : part === '*' ? '[^/]*' : '.*'))}$`,
  );
const matches = (path: string, patterns: readonly string[]) =>
  patterns.some((pattern) => expression(pattern).test(path));
const belongsTo = (path: string, project: Project) => {
  const { include, exclude } = filesOf(project);
  return matches(path, include) && !matches(path, exclude);
};

it('every file of tests belongs to one project, or to one of the configurations elsewhere', () => {
  const homes = files.map((path) => ({ path, in: NAMES.filter((name) => belongsTo(path, name)) }));
  const wanted = (path: string) => (matches(path, ELSEWHERE) ? 0 : 1);
  expect(homes.filter((home) => home.in.length !== wanted(home.path))).toEqual([]);
});

/** Whoever uses them needs tmux, real workers and real time. */
const REAL = ['test/support/hand-worker.ts', 'test/support/terminal.ts', 'test/local/worker.ts'];

it('what works with a real worker or a real terminal is called *.worker.test.ts', () => {
  const importsReal = (path: string) =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(/from '(\.[^']+)'/g)].some(([, module = '']) =>
      REAL.includes(join(dirname(path), module)),
    );
  expect(files.filter((path) => belongsTo(path, 'unit') && importsReal(path))).toEqual([]);
});

it('the table in README.md is true; `npx vitest run test/projects.test.ts -u` writes it', async () => {
  const path = join(ROOT, 'test', 'README.md');
  const rows = Object.keys(PROJECTS).flatMap((name) =>
    files.filter((file) => belongsTo(file, name as Project)).map((file) => `| \`${file}\` | ${name} |\n`),
  );
  const table = ['| file | project |\n', '|---|---|\n', ...rows, '| every other one | unit |\n'].join('');
  const text = readFileSync(path, 'utf8').replace(/\| file \| project \|\n(\|.*\n)*/, () => table);
  await expect(text).toMatchFileSnapshot(path);
});

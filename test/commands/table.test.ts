/** The table of the commands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS, loaderOf } from '../../scripts/commands.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { GROUPS, SUMMARIES } from '../../scripts/summaries.ts';

const FOLDER = join(packageRoot(), 'scripts');
const sources = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => [file.replace(/\.ts$/, ''), readFileSync(join(FOLDER, file), 'utf8')] as const);
const source = (name: string) => new Map(sources).get(name) ?? '';

describe('the table of commands', () => {
  it('has every file of scripts/ that runs as a program, and nothing else', () => {
    const files = sources.filter(([, text]) => text.includes('await runIfMain(')).map(([name]) => name);
    expect([...Object.keys(COMMANDS), 'complete'].toSorted()).toEqual(files.toSorted());
    expect(Object.keys(COMMANDS)).toEqual(Object.keys(SUMMARIES));
  });

  it('names each command in one group', () => {
    const names = Object.values(GROUPS).flatMap((group) => Object.keys(group));
    expect(names).toEqual([...new Set(names)]);
  });

  it.each(Object.entries(SUMMARIES))('says once what %s is for', async (name, summary) => {
    expect((await COMMANDS[name]?.load())?.name).toBe(name);
    expect((await COMMANDS[name]?.load())?.summary).toBe(summary);
    const places = sources.filter(([, text]) => text.includes(summary)).map(([file]) => file);
    expect(places).toEqual(['summaries']);
    expect(source(name)).toMatch(/\n {2}summary: SUMMARIES[.[]/);
  });

  it('does not know complete, which knows the table', () => {
    expect(source('commands')).not.toContain("'./complete.ts'");
    expect(source('summaries')).not.toMatch(/^import |import\(/m);
  });

  it('takes no property that every object has for a command', () => {
    for (const name of ['constructor', 'toString', '__proto__', '']) expect(loaderOf(name), name).toBeNull();
    expect(loaderOf('list')).not.toBeNull();
  });
});

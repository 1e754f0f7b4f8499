/** docs/commands.md is what the commands say, every link of the documentation leads somewhere, and every command in it exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { loaderOf } from '../../scripts/commands.ts';
import { COMMON_FLAGS } from '../../scripts/lib/cli/command.ts';
import { parseFlags } from '../../scripts/lib/cli/flags.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { scanLine } from '../../scripts/lib/completion/answer.ts';
import { commandReference, REFERENCE } from './reference.ts';
import { SCHEMAS_DIR, schemaFiles } from './schemas.ts';

it('the reference of the commands is up to date: make docs', async () => {
  expect(readFileSync(REFERENCE, 'utf8')).toBe(await commandReference());
});

it('the published schemas are what the outputs are held against: make docs', () => {
  const there = new Map(
    readdirSync(SCHEMAS_DIR).map((name) => [name, readFileSync(join(SCHEMAS_DIR, name), 'utf8')]),
  );
  expect(there).toEqual(schemaFiles());
});

/** As GitHub names the anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const root = packageRoot();
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

it.each(pages)('every link of %s leads somewhere', (page) => {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(
    ([, a, b]) => a ?? b ?? '',
  );
  const dead = links
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(root, page) : join(root, dirname(page), path);
      if (!existsSync(target)) return true;
      if (anchor === undefined) return false;
      const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text_ = '']) =>
        anchorOf(text_),
      );
      return !headings.includes(anchor);
    });
  expect(dead).toEqual([]);
});

/** The command lines in the blocks of a page: each with the words behind the command's name. */
function commandLines(markdown: string): [name: string, words: readonly string[]][] {
  const blocks = [...markdown.matchAll(/^( *)```\w*\n([\s\S]*?)^\1```/gm)].map(([, , block = '']) => block);
  return blocks
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, '').split('\n'))
    .map((line) => line.trim().replace(/^\$ /, ''))
    .flatMap((line) => {
      const found = /^(?:npx tsx scripts\/([\w-]+)\.ts|factory-worker ([\w-]+))(?: (.*))?$/.exec(line);
      const [, script, typed, rest = ''] = found ?? [];
      const words = scanLine(`${rest} `).words.filter((word) => word !== '');
      // A comment, or where its output goes.
      const end = words.findIndex((word) => /^[#|&;<>]/.test(word));
      return found === null ? [] : [[script ?? typed ?? '', words.slice(0, end < 0 ? undefined : end)]];
    });
}

it.each(pages)('every command that %s shows exists, with these flags', async (page) => {
  for (const [name, words] of commandLines(readFileSync(join(root, page), 'utf8'))) {
    const command = await loaderOf(name)?.();
    if (command === undefined) throw new Error(`there is no command ${name}`);
    parseFlags(words, { ...command.flags, ...COMMON_FLAGS }, command.restAfter);
  }
});

it('finds the commands that README.md shows', () => {
  const lines = commandLines(readFileSync(join(root, 'README.md'), 'utf8'));
  expect(lines.map(([name]) => name)).toEqual(['doctor', 'provision', 'doctor', 'dispatch', 'list', 'peek']);
  expect(lines[1]?.[1]).toContain('--pull-secret-file');
});

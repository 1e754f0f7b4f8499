/** Makes docs/commands.md, the reference of every command, from the commands themselves: `make docs`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../scripts/commands.ts';
import { COMMON_FLAGS } from '../../scripts/lib/cli/command.ts';
import type { Flag, Flags } from '../../scripts/lib/cli/flags.ts';
import { usageLine } from '../../scripts/lib/cli/help.ts';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { GROUPS } from '../../scripts/summaries.ts';

export const REFERENCE = join(packageRoot(), 'docs', 'commands.md');

const HEAD = `# Commands

Made from the commands by \`make docs\`; \`factory-worker NAME --help\` prints the same. From a checkout, \`npx tsx scripts/NAME.ts\` is
\`factory-worker NAME\`.
`;

export async function commandReference(): Promise<string> {
  const groups: string[] = [];
  for (const [group, summaries] of Object.entries(GROUPS)) {
    const sections: string[] = [];
    for (const name of Object.keys(summaries)) sections.push(await section(name));
    groups.push(`## ${group}\n\n${sections.join('\n')}`);
  }
  return `${HEAD}\n${groups.join('\n')}\n## Flags of every command\n\n${table(COMMON_FLAGS)}`;
}

async function section(name: string): Promise<string> {
  const command = await COMMANDS[name]?.load();
  if (command === undefined) throw new Error(`there is no command ${name}`);
  const program = `factory-worker ${name}`;
  const examples = command.examples.map(
    ([line, why]) => `# ${why}\n${program}${line === '' ? '' : ` ${line}`}`,
  );
  return [
    `### ${name}`,
    `${command.summary}.`,
    fence([usageLine(command, program)]),
    ...(command.description === undefined ? [] : [command.description.trim()]),
    fence(examples),
    table(command.flags),
  ].join('\n\n');
}

const fence = (lines: readonly string[]) => `\`\`\`sh\n${lines.join('\n')}\n\`\`\``;

function table(flags: Flags): string {
  const rows = Object.entries(flags).map(
    ([name, flag]) => `| ${nameOf(name, flag)} | ${cell(meaningOf(flag))} |`,
  );
  return `| flag | meaning |\n|---|---|\n${rows.join('\n')}\n`;
}

function nameOf(name: string, flag: Flag): string {
  const value = flag.type === 'boolean' ? '' : ` ${flag.value}`;
  return `${flag.short ? `\`-${flag.short}\`, ` : ''}\`--${name}${value}\``;
}

function meaningOf(flag: Flag): string {
  const choices = flag.type === 'string' && flag.choices ? ` (${flag.choices.join(', ')})` : '';
  const preset = flag.type === 'string' && flag.default ? `; default: ${flag.default}` : '';
  return `${flag.description}${choices}${preset}${flag.type === 'list' ? '; may be repeated' : ''}`;
}

const cell = (text: string) => text.replaceAll('|', '\\|');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(REFERENCE, await commandReference());

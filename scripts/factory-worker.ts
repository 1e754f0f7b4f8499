#!/usr/bin/env node
/** `factory-worker NAME …`: the same commands as `scripts/NAME.ts`, in one program that starts fast. */
import { loaderOf } from './commands.ts';
import { packageVersion } from './lib/cli/version.ts';
import { GROUPS, SUMMARIES } from './summaries.ts';

const [name, ...argv] = process.argv.slice(2);
// Only shells call `complete`. It completes the other commands, so it is not in their table.
const loadComplete = async () => (await import('./complete.ts')).complete;
const load = name === 'complete' ? loadComplete : loaderOf(name ?? '');

if (load !== null) {
  const [{ main }, command] = await Promise.all([import('./lib/cli/command.ts'), load()]);
  await main(command, argv, (sibling) => `factory-worker ${sibling}`);
} else if (name === '--version') {
  process.stdout.write(`factory-worker ${packageVersion()}\n`);
} else if (name === '--help' || name === '-h' || name === 'help' || name === undefined) {
  (name === undefined ? process.stderr : process.stdout).write(usage());
  process.exitCode = name === undefined ? 2 : 0;
} else {
  const { didYouMean, printable } = await import('./lib/cli/text.ts');
  const hint = didYouMean(name, Object.keys(SUMMARIES));
  process.stderr.write(
    `error: there is no command ${printable(name)}\n${hint === null ? '' : `  ${hint}\n`}  factory-worker --help lists them\n`,
  );
  process.exitCode = 2;
}

function usage(): string {
  const width = Math.max(...Object.keys(SUMMARIES).map((command) => command.length));
  const sections = Object.entries(GROUPS).map(([title, commands]) => {
    const lines = Object.entries(commands).map(
      ([command, summary]) => `  ${command.padEnd(width)}  ${summary}\n`,
    );
    return `${title}:\n${lines.join('')}`;
  });
  return `Workers for TaintFactory on Kubernetes, driven from this machine.

Usage:
  factory-worker COMMAND [arguments] [flags]

${sections.join('\n')}
factory-worker COMMAND --help explains a command, with examples.
`;
}

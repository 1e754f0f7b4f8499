#!/usr/bin/env node
/** `factory-worker NAME …`: the same commands as `scripts/NAME.ts`, in one program that starts fast. */
import { COMMANDS } from './commands.ts';
import { packageVersion } from './lib/cli/version.ts';

const [name, ...argv] = process.argv.slice(2);
const entry = name === undefined ? undefined : COMMANDS[name];

if (entry !== undefined) {
  const [{ main }, command] = await Promise.all([import('./lib/cli/command.ts'), entry.load()]);
  await main(command, argv, (sibling) => `factory-worker ${sibling}`);
} else if (name === '--version') {
  process.stdout.write(`factory-worker ${packageVersion()}\n`);
} else if (name === '--help' || name === '-h' || name === 'help' || name === undefined) {
  (name === undefined ? process.stderr : process.stdout).write(usage());
  process.exitCode = name === undefined ? 2 : 0;
} else {
  const { didYouMean } = await import('./lib/cli/text.ts');
  const hint = didYouMean(
    name,
    Object.keys(COMMANDS).filter((command) => !COMMANDS[command]?.hidden),
  );
  process.stderr.write(
    `error: there is no command ${name}\n${hint === null ? '' : `  ${hint}\n`}  factory-worker --help lists them\n`,
  );
  process.exitCode = 2;
}

function usage(): string {
  const names = Object.keys(COMMANDS).filter((command) => !COMMANDS[command]?.hidden);
  const width = Math.max(...names.map((command) => command.length));
  const lines = names.map((command) => `  ${command.padEnd(width)}  ${COMMANDS[command]?.summary}`);
  return `Workers for TaintFactory on Kubernetes, driven from this machine.

Usage:
  factory-worker COMMAND [arguments] [flags]

Commands:
${lines.join('\n')}

factory-worker COMMAND --help explains a command, with examples.
`;
}

#!/usr/bin/env node
/** `factory-worker NAME …`: the same commands as `scripts/NAME.ts`, in one program that starts fast. */
import { join } from 'node:path';
import { loaderOf } from './commands.ts';
import { cacheCompiledCode } from './lib/cli/compile-cache.ts';
// Not by import(), which brings in what commands need (scripts/build/core-chunk.ts).
import { wrap } from './lib/cli/help.ts';
import { packageRoot, packageVersion, runsFromSource } from './lib/cli/version.ts';
import { cacheFolder } from './lib/config/paths.ts';
import { ALIASES, GROUPS, SUMMARIES } from './summaries.ts';

const words = process.argv.slice(2);
// `help X` is `X --help`, as with git and kubectl.
const [name, ...argv] = words[0] === 'help' && words[1] ? [words[1], '--help', ...words.slice(2)] : words;
// Only shells call `complete`. It completes the other commands, so it is not in their table.
const loadComplete = async () => (await import('./complete.ts')).complete;
const load = name === 'complete' ? loadComplete : loaderOf(name ?? '');

if (load !== null) {
  cacheCompiledCode(join(cacheFolder(process.env), 'compiled'), process.env);
  await warnIfStale();
  const [{ main }, command] = await Promise.all([import('./lib/cli/run.ts'), load()]);
  await main(command, argv, (sibling) => `factory-worker ${sibling}`);
} else if (name === '--version' || name === 'version') {
  process.stdout.write(`factory-worker ${packageVersion()}\n`);
} else if (name === '--help' || name === '-h' || name === 'help' || name === undefined) {
  const stream = name === undefined ? process.stderr : process.stdout;
  stream.write(usage(stream.isTTY ? stream.columns : undefined));
  process.exitCode = name === undefined ? 2 : 0;
} else {
  const { didYouMean, printable } = await import('./lib/cli/text.ts');
  const hint = didYouMean(name, [...Object.keys(SUMMARIES), ...Object.keys(ALIASES)]);
  process.stderr.write(
    `error: there is no command ${printable(name)}\n${hint === null ? '' : `  ${hint}\n`}  factory-worker --help lists them\n`,
  );
  process.exitCode = 2;
}

/** For people only: a build may be running beside scripts. */
async function warnIfStale(): Promise<void> {
  if (!process.stderr.isTTY || name === 'complete' || runsFromSource()) return;
  const { staleBundle } = await import('./lib/cli/stale.ts');
  const stale = staleBundle(packageRoot());
  if (stale !== null) process.stderr.write(`note: ${stale}\n`);
}

/** @param columns of the terminal; undefined for no wrapping */
function usage(columns: number | undefined): string {
  const width = Math.max(...Object.keys(SUMMARIES).map((command) => command.length));
  const sections = Object.entries(GROUPS).map(([title, commands]) => {
    const lines = Object.entries(commands).map(
      ([command, summary]) => `  ${command.padEnd(width)}  ${wrap(summary, columns, width + 4)}\n`,
    );
    return `${title}:\n${lines.join('')}`;
  });
  return `Workers for TaintFactory on Kubernetes, driven from this machine.

Usage:
  factory-worker COMMAND [arguments] [flags]

${sections.join('\n')}
Aliases: ${Object.entries(ALIASES)
    .map(([alias, command]) => `${alias} = ${command}`)
    .join(', ')}

factory-worker COMMAND --help, or factory-worker help COMMAND, explains a command, with examples.
`;
}

/** `shell-init`: the lines that make a shell know `factory worker …` and complete it. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { defineCommand, runIfMain } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import { didYouMean, enumerate, shellQuote } from './lib/cli/text.ts';
import { packageRoot } from './lib/cli/version.ts';
import { SHELLS } from './lib/completion/answer.ts';
import { SUMMARIES } from './summaries.ts';

/** The file each shell reads when it starts, and the line that belongs there. */
const INSTALL = {
  bash: { file: '~/.bashrc', line: (program: string) => `eval "$(${program} shell-init bash)"` },
  zsh: { file: '~/.zshrc, below compinit', line: (program: string) => `eval "$(${program} shell-init zsh)"` },
  fish: {
    file: '~/.config/fish/config.fish',
    line: (program: string) => `${program} shell-init fish | source`,
  },
} as const;

export const shellInit = defineCommand({
  name: 'shell-init',
  summary: SUMMARIES['shell-init'],
  description: `Once it is set up, factory worker NAME … is factory-worker NAME …, and every other factory … still reaches the
program factory itself. Commands, flags, workers, projects and live sessions are completed.

Add one line to the file your shell reads when it starts, and open a new shell:
${SHELLS.map((shell) => `  ${INSTALL[shell].file.padEnd(28)}${INSTALL[shell].line('factory-worker')}`).join('\n')}

zsh and fish complete an alias by themselves; bash after: complete -F _factory_worker ALIAS`,
  positionals: [{ name: SHELLS.join('|'), required: true }],
  flags: {},
  examples: [
    ['bash', 'look at the script'],
    ['zsh > ~/.factory/worker.zsh', 'keep it in a file, for a faster start of the shell'],
  ],
  async run({ positionals: [wanted = ''] }, { env, stdout, stderr }) {
    const shell = SHELLS.find((name) => name === wanted);
    if (shell === undefined) {
      const hint = didYouMean(wanted, SHELLS);
      throw new UsageError(
        `shell-init knows ${enumerate(SHELLS)}, not "${wanted}"`,
        ...(hint === null ? [] : [hint]),
      );
    }
    const program = programWord(env['PATH'] ?? '');
    const script = readFileSync(join(packageRoot(), 'scripts/lib/completion', `init.${shell}`), 'utf8');
    stdout.write(script.replaceAll(CALL, `command ${program}`));
    const { file, line } = INSTALL[shell];
    if (stdout.isTTY) stderr.write(`\nTo use it, add to ${file}:\n  ${line(program)}\n`);
    return undefined;
  },
});

/** Where the scripts call this program. The option `--command` of fish looks alike. */
const CALL = /(?<!-)command factory-worker/g;

/**
 * How a shell calls this very program: by its name where that leads here, so that a script kept in a file outlives a move;
 * else by its path, so that a checkout which nobody installed works too.
 *
 * @param path the value of PATH
 * @throws CliError when the program is not built
 */
export function programWord(path: string): string {
  const program = join(packageRoot(), 'dist', 'factory-worker.js');
  if (!existsSync(program)) {
    throw new CliError('the program that the shell would call is not built', {
      hints: [`cd ${shellQuote(packageRoot())} && npm run build`],
    });
  }
  const [found] = path
    .split(delimiter)
    .map((folder) => join(folder, 'factory-worker'))
    .filter((candidate) => existsSync(candidate));
  return found !== undefined && realpathSync(found) === realpathSync(program)
    ? 'factory-worker'
    : shellQuote(program);
}

await runIfMain(import.meta.url, shellInit);

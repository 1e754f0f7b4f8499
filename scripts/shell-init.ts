/** `shell-init`: prints the code that makes a shell run and complete `factory worker …`. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { defineCommand } from './lib/cli/command.ts';
import { CliError, UsageError } from './lib/cli/errors.ts';
import { runIfMain } from './lib/cli/run.ts';
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
  description: `With it, factory worker NAME … runs factory-worker NAME …; every other factory … still runs the program factory itself.
It completes commands, flags, workers, projects and live sessions.

Add one line to the file your shell reads when it starts, and open a new shell:
${SHELLS.map((shell) => `  ${INSTALL[shell].file.padEnd(28)}${INSTALL[shell].line('factory-worker')}`).join('\n')}

zsh and fish also complete aliases; bash does after: complete -F _factory_worker ALIAS`,
  positionals: [{ name: SHELLS.join('|'), required: true }],
  flags: {},
  examples: [
    ['bash', 'print the script'],
    ['zsh > ~/.factory/worker.zsh', 'save it to a file, so that the shell starts faster'],
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

/** The call of this program in the scripts. The option `--command` of fish looks similar. */
const CALL = /(?<!-)command factory-worker/g;

/**
 * How a shell calls this program: by its name if PATH leads here, so that a saved script survives a move; else by its path, so
 * that a checkout works without installation.
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

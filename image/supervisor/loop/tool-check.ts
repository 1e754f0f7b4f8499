/**
 * Checks that the programs a stage needs are found: by the supervisor, whose check-ins call them, and in a real tmux pane.
 * Panes are login shells whose profile may reset PATH; there a missing `claude` makes bash execute the text of the issue, and
 * `factory` counts the stage as a success. A missing `gh` fails one queue row per check-in.
 */
import type { Effects } from '../effects/effects.ts';
import { which } from '../effects/which.ts';
import type { Environment } from '../environment.ts';
import { TOOL_CHECK_SESSION } from '../sessions/sessions.ts';
import { messageOf } from '../util/errors.ts';

const TOOLS = ['claude', 'gh', 'git', 'factory'] as const;
/** Enough for a slow profile; one that waits for input never answers. */
const PANE_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Typed into the pane. The answer goes through a file: pane text is wrapped, coloured and preceded by a prompt. */
const QUESTION = [
  'unset HISTFILE;',
  `{ for p in ${TOOLS.join(' ')}; do command -v "$p" >/dev/null || printf '%s ' "$p"; done;`,
  `printf '\\n%s\\n' "$PATH"; } >"$WORKER_RUN_DIR/pane-check.new"`,
  '&& mv "$WORKER_RUN_DIR/pane-check.new" "$WORKER_RUN_DIR/pane-check"',
].join(' ');

/**
 * @returns a check that answers null when everything is found, else what is missing and what to do. The pane is checked
 *   until it finds everything, and again when one of the programs has been replaced.
 */
export function createToolCheck(environment: Environment, effects: Effects): () => Promise<string | null> {
  let provenFor = '';
  return async () => {
    const { files } = effects;
    const found = TOOLS.map((tool) => which(files, environment.path, tool));
    const missing = TOOLS.filter((_, index) => found[index] === null);
    if (missing.length > 0) return notFound(missing, 'the worker', environment.path);
    const identity = found.map((path) => path && files.identity(path)).join(' ');
    if (identity === provenFor) return null;
    const complaint = await askPane(environment, effects);
    if (complaint === null) provenFor = identity;
    return complaint;
  };
}

async function askPane({ paths }: Environment, { clock, files, tmux }: Effects): Promise<string | null> {
  await files.remove(paths.paneCheck);
  await tmux.killSession(TOOL_CHECK_SESSION);
  try {
    await tmux.newSession(TOOL_CHECK_SESSION);
    await tmux.type(TOOL_CHECK_SESSION, QUESTION);
    const until = clock.now() + PANE_TIMEOUT_MS;
    while (clock.now() < until) {
      const answer = files.read(paths.paneCheck);
      if (answer !== null) {
        const [missing = '', path = ''] = answer.split('\n');
        return missing.trim() === '' ? null : notFound(missing.trim().split(' '), 'a tmux pane', path);
      }
      await clock.sleep(POLL_MS);
    }
    return 'a login shell in a tmux pane does not answer: see what ~/.bash_profile and /etc/profile do (try bash -l)';
  } catch (error) {
    return messageOf(error);
  } finally {
    await tmux.killSession(TOOL_CHECK_SESSION);
  }
}

function notFound(programs: readonly string[], where: string, path: string): string {
  return `${where} does not find ${programs.join(', ')}: put them on PATH (it is ${path})`;
}

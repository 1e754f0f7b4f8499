/**
 * The real claude as a worker has it: its wrapper, tmux.conf, environment and seeds, a made-up token, and a server of ours on
 * loopback for its API. The worker is one made by hand, so that the commands reach it.
 */
import { realpathSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  withFirstRunDone,
  withoutPermissionQuestion,
} from '../../image/supervisor/credentials/claude-state.ts';
import { files } from '../../image/supervisor/effects/system.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type MessagesServer, messagesServer } from './server.ts';

const IMAGE = new URL('../../image/', import.meta.url);

export interface Agent {
  readonly worker: HandWorker;
  readonly server: MessagesServer;
  /** CLAUDE_CONFIG_DIR. */
  readonly config: string;
  /** The clone that agents work in. */
  readonly clone: string;
  /** Begins anew: no session, a clean clone, and of claude's state what the supervisor would write before a stage. */
  fresh(): Promise<void>;
  /** Completes claude's state as the supervisor does. */
  seed(): Promise<void>;
  /** Writes a file, its folders included. */
  write(path: string, text: string): Promise<void>;
  /** Adds to claude's settings.json. */
  settings(values: object): Promise<void>;
  /** Takes keys out of claude's `.claude.json` and settings.json, wherever they stand. */
  forget(...keys: string[]): Promise<void>;
  /** Starts claude in a session as `factory` does. */
  start(session: string, options?: { readonly flags?: string; readonly folder?: string }): Promise<void>;
  /** Pastes a prompt as `factory` does: Enter comes a second later. */
  paste(session: string, text: string): Promise<void>;
  keys(session: string, ...keys: string[]): Promise<void>;
  /** What a pane shows and has shown last, as the commands capture it. */
  screen(session: string): Promise<string>;
  /** @returns the screen as soon as it matches. Throws with the last one. */
  until(session: string, pattern: RegExp, seconds?: number): Promise<string>;
  remove(): Promise<void>;
}

/** @param claude path of the program */
export async function startAgent(claude = program()): Promise<Agent> {
  const server = await messagesServer();
  const worker = await handWorker();
  const config = join(worker.state, 'claude');
  Object.assign(worker.env, {
    CLAUDE_CONFIG_DIR: config,
    ANTHROPIC_BASE_URL: server.url,
    DISABLE_AUTOUPDATER: '1',
    IS_SANDBOX: '1',
    WORKER_PATH: worker.env['PATH'],
  });
  await installWrapper(worker, claude);
  await writeFile(join(worker.dir, 'secrets', 'CLAUDE_CODE_OAUTH_TOKEN'), `sk-ant-oat01-${'A'.repeat(95)}`);
  await cp(new URL('etc/tmux.conf', IMAGE), join(worker.env['HOME'] ?? '', '.tmux.conf'));
  await writeFile(
    join(worker.env['HOME'] ?? '', '.bash_profile'),
    'PATH=$WORKER_PATH; PS1="worker$ "; unset HISTFILE\n',
  );
  const clone = join(worker.repos, 'demo');
  const edit = (name: string, filter: string) =>
    `cd '${config}' && jq '${filter}' ${name} >${name}.new && mv ${name}.new ${name}`;
  const target = (session: string) => `'=${session}:'`;
  const agent: Agent = {
    worker,
    server,
    config,
    clone,
    async fresh() {
      await worker.bash(END_SESSIONS);
      server.requests.length = 0;
      await worker.bash(`git -C '${clone}' clean -fdxq`);
      await rm(config, { recursive: true, force: true });
      await agent.seed();
    },
    async seed() {
      const folders = (await readdir(worker.repos)).map((name) => realpathSync(join(worker.repos, name)));
      const read = (name: string) => files.read(join(config, name));
      const state = withFirstRunDone(read('.claude.json'), folders);
      const settings = withoutPermissionQuestion(read('settings.json'));
      if (state !== null) await agent.write(join(config, '.claude.json'), state);
      if (settings !== null) await agent.write(join(config, 'settings.json'), settings);
    },
    async write(path, text) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    },
    async settings(values) {
      await worker.bash(edit('settings.json', `. + ${JSON.stringify(values)}`));
    },
    async forget(...keys) {
      const filter = keys.map((key) => `del(.. | objects | .${key})`).join(' | ');
      for (const name of ['.claude.json', 'settings.json']) await worker.bash(edit(name, filter));
    },
    async start(session, { flags = '--dangerously-skip-permissions', folder = clone } = {}) {
      await worker.bash(
        `tmux new-session -d -s ${session} -c '${folder}' && tmux send-keys -t ${target(session)} 'claude ${flags}' Enter`,
      );
    },
    async paste(session, text) {
      await writeFile(join(worker.dir, 'prompt'), text);
      await worker.bash(
        `tmux load-buffer -b prompt "${join(worker.dir, 'prompt')}" && tmux paste-buffer -p -d -b prompt -t ${target(session)} && sleep 1 && tmux send-keys -t ${target(session)} Enter`,
      );
    },
    async keys(session, ...keys) {
      await worker.bash(`tmux send-keys -t ${target(session)} ${keys.map((key) => `'${key}'`).join(' ')}`);
    },
    screen: (session) => worker.bash(`tmux capture-pane -p -J -S -40 -t ${target(session)}`),
    async until(session, pattern, seconds = 60) {
      const end = Date.now() + seconds * 1000;
      for (;;) {
        const screen = await agent.screen(session);
        if (pattern.test(screen)) return screen;
        if (Date.now() > end) throw new Error(`${session} never showed ${pattern}:\n${screen}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    async remove() {
      await worker.remove();
      await server.close();
    },
  };
  return agent;
}

/** Each claude included: one that is about to end still writes its state. */
const END_SESSIONS = `
agents=$(for pane in $(tmux list-panes -a -F '#{pane_pid}' 2>/dev/null); do cat /proc/$pane/task/*/children; done)
tmux list-sessions -F '#{session_id}' 2>/dev/null | xargs -r -n 1 tmux kill-session -t
for agent in $agents; do timeout 20 tail --pid="$agent" -f /dev/null || kill -KILL "$agent"; done
true`;

/** Path of the claude to test. */
export function program(): string {
  const path = process.env['CLAUDE_BIN'];
  if (!path) throw new Error('CLAUDE_BIN does not name a claude: start these tests by make test-agents');
  return path;
}

/** The wrapper of the image, which has our code in another place here. */
async function installWrapper(worker: HandWorker, claude: string): Promise<void> {
  const home = join(worker.dir, 'image');
  await mkdir(join(home, 'libexec'), { recursive: true });
  await cp(new URL('lib', IMAGE), join(home, 'lib'), { recursive: true });
  await symlink(claude, join(home, 'libexec', 'claude'));
  const wrapper = await readFile(new URL('bin/claude', IMAGE), 'utf8');
  const place = 'HOME_OF_OURS=/usr/local/lib/factory-worker\n';
  if (!wrapper.includes(place)) throw new Error(`image/bin/claude has no line ${place}`);
  const path = join(worker.dir, 'bin', 'claude');
  await rm(path);
  await writeFile(path, wrapper.replace(place, `HOME_OF_OURS=${home}\n`), { mode: 0o755 });
}

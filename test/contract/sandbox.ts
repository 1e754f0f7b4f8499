// A place for one contract case: its own HOME, tmux server, projects and programs on PATH.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../support/janitor.ts';
import { Postgres } from '../support/postgres.ts';
import { type Outcome, type Running, run, start } from './run.ts';

export type Dialect = 'design' | 'a' | 'b' | 'c';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

/** The binary under test, or null for the stand-in. */
export const FACTORY_BIN: string | null = process.env['FACTORY_BIN'] || null;

/** Text of a pipeline.yaml for the body below `pipeline:`. */
export function pipelineYaml(body: string, repo = 'github.com/acme/demo'): string {
  return `pipeline:\n  name: demo\n  repo: ${repo}\n${body.replace(/^\n/, '')}`;
}

/** What a case's project looks like. */
export interface Project {
  /** The lines below `pipeline:`, indented by two. */
  stages: string;
  /** Leave .claude/ out of .gitignore, so that it dirties the worktree. */
  ignoreNothing?: boolean;
  /** Make the second project too. */
  two?: boolean;
}

/** The PostgreSQL of all cases; each has a database of its own. The janitor removes it. */
let postgres: Promise<Postgres> | null = null;
function server(): Promise<Postgres> {
  postgres ??= Postgres.start();
  return postgres;
}

/** Settings of the stand-ins, short so that a stage lasts about two seconds. */
const SETTINGS = {
  STANDIN_FACTORY_BOOT_SECONDS: '0.5',
  STANDIN_FACTORY_POLL_SECONDS: '0.4',
  STANDIN_FACTORY_STABLE_SECONDS: '3',
  STANDIN_CLAUDE_WORK_SECONDS: '0.6',
  STANDIN_CLAUDE_TICK_SECONDS: '1',
  // The real program presses Enter a second after the paste.
  STANDIN_CLAUDE_QUIET_SECONDS: FACTORY_BIN === null ? '0.6' : '1.5',
};

export class Box {
  readonly dialect: Dialect;
  readonly dir: string;
  readonly home: string;
  /** The project's clone, with origin/main. */
  readonly repo: string;
  /** A second project's clone: github.com/acme/other. */
  readonly other: string;
  /** Where the program runs unless a step says otherwise: the clone, or the place itself. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;

  private constructor(dialect: Dialect, dir: string, hasProject: boolean, database: NodeJS.ProcessEnv) {
    this.dialect = dialect;
    this.dir = dir;
    this.home = join(dir, 'home');
    this.repo = join(dir, 'demo');
    this.other = join(dir, 'other');
    this.cwd = hasProject ? this.repo : dir;
    this.env = {
      HOME: this.home,
      TMUX_TMPDIR: join(dir, 't'),
      PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      LANG: 'C.UTF-8',
      TERM: 'xterm',
      SHELL: '/bin/bash',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Contract',
      GIT_AUTHOR_EMAIL: 'contract@example.invalid',
      GIT_COMMITTER_NAME: 'Contract',
      GIT_COMMITTER_EMAIL: 'contract@example.invalid',
      STANDIN_CALLS: join(dir, 'calls'),
      ...database,
    };
  }

  /** Makes the place. `settings` adds to those of the stand-ins. */
  static async make(
    dialect: Dialect,
    project: Project | null,
    settings: Record<string, string>,
  ): Promise<Box> {
    const database = dialect === 'c' ? { DATABASE_URL: await (await server()).createDatabase() } : {};
    const box = new Box(dialect, await makeFolder('fc-'), project !== null, database);
    for (const name of ['home', 't', 'bin', 'empty']) await mkdir(join(box.dir, name));
    const factory = FACTORY_BIN ?? join(EXAMPLES, 'bin', dialect === 'c' ? 'factory-postgres' : 'factory');
    await symlink(factory, join(box.dir, 'bin', 'factory'));
    for (const name of ['claude', 'gh'])
      await symlink(join(EXAMPLES, 'bin', name), join(box.dir, 'bin', name));
    await box.set(settings);
    // The panes run a login shell, whose PATH /etc/profile resets.
    await writeFile(
      join(box.home, '.bash_profile'),
      `export PATH='${join(box.dir, 'bin')}':$PATH GIT_CONFIG_GLOBAL=/dev/null\n`,
    );
    if (project !== null) {
      await box.project(box.repo, pipelineYaml(project.stages), project);
      if (project.two === true)
        await box.project(box.other, pipelineYaml(project.stages, 'github.com/acme/other'), project);
    }
    return box;
  }

  /** Writes the stand-ins' settings, ours and these; a login shell's claude can read the file too. */
  async set(settings: Record<string, string>): Promise<void> {
    const all = { STANDIN_FACTORY_DIALECT: this.dialect, ...SETTINGS, ...settings };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(this.home, '.factory-standin'), lines.join(''));
  }

  /** Runs the program under test. */
  factory(argv: readonly string[], cwd = this.cwd, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    return run(join(this.dir, 'bin', 'factory'), argv, { cwd, env: this.environment(env) });
  }

  /** Starts the program under test without waiting for its end. */
  startFactory(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return start(join(this.dir, 'bin', 'factory'), argv, { cwd: this.cwd, env: this.environment(env) });
  }

  /** Runs bash in the place, which is $BOX. */
  bash(script: string): Promise<Outcome> {
    const env = { ...this.env, BOX: this.dir, REPO: this.repo, OTHER: this.other, DIALECT: this.dialect };
    return run('bash', ['-euo', 'pipefail', '-c', script], { cwd: this.dir, env });
  }

  private environment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const all = { ...this.env, ...extra };
    // An empty value means: not in the environment at all.
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
  }

  private async project(dir: string, yaml: string, project: Project): Promise<void> {
    await mkdir(dir);
    await writeFile(join(dir, 'pipeline.yaml'), yaml);
    await writeFile(join(dir, '.gitignore'), project.ignoreNothing === true ? '' : '.claude/\nworktrees/\n');
    const made = await run(
      'bash',
      [
        '-ec',
        `git init -q --template= -b main; git add -A; git commit -qm start; git clone -q --template= --bare . "$0"
         git remote add origin "$0"; git update-ref refs/remotes/origin/main main`,
        join(dirname(dir), `${dir.endsWith('other') ? 'other' : 'demo'}.git`),
      ],
      { cwd: dir, env: this.env },
    );
    if (made.rc !== 0) throw new Error(`cannot make the project: ${made.stderr}`);
  }

  /** Ends everything the case started and removes the place. */
  async remove(): Promise<void> {
    await run('tmux', ['kill-server'], { cwd: '/', env: this.env }).catch(() => null);
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

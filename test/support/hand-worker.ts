/**
 * A worker made by hand: the folders, the environment and the stand-in programs of a real one, without a supervisor. What a
 * test wants to be there, it puts there. Reached as a local worker, or as a pod through the fake kubectl:
 *
 *     const worker = await handWorker({ dialect: 'b' });
 *     await run(list, [], { env: worker.laptop });                      // a local worker called w
 *     const kubectl = fakeKubectl([...worker.cluster()]);               // the same one as the pod of worker-1
 *     await worker.remove();
 */
import { execFile, type SpawnOptions, spawn } from 'node:child_process';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Database } from '../../scripts/lib/contract.ts';
import { parseQueue, type QueueRow } from '../../scripts/lib/factory.ts';
import { pod, podList } from '../transport/cluster.ts';
import type { Rule } from './fake-kubectl.ts';
import { makeFolder } from './janitor.ts';

const BIN = fileURLToPath(new URL('../../examples/bin', import.meta.url));

export interface HandWorkerOptions {
  /** What the stand-in speaks; `c` is a PostgreSQL build. */
  readonly dialect?: 'design' | 'a' | 'b' | 'c';
  readonly projects?: readonly string[];
  /** Of dialect c: where its database is, and whether the worker's own server has it. */
  readonly database?: { readonly kind: 'postgres' | 'url'; readonly url: string };
  /** Whether the boot and the locks look like a worker that runs. */
  readonly up?: boolean;
}

/** Stages without an agent: an issue is done in two check-ins. */
export const FAST_PIPELINE = `pipeline:
  checks: {ok: {command: "true"}}
  stages:
    - {id: one, type: checks_only, checks: [ok]}
`;

export class HandWorker {
  readonly dir: string;
  readonly state: string;
  readonly repos: string;
  readonly env: Record<string, string>;
  /** Environment for a command on the laptop: `w` is this worker as a local one, `worker-1` the same as a pod. */
  readonly laptop: NodeJS.ProcessEnv;
  readonly #children = new Set<number>();

  private constructor(dir: string) {
    this.dir = dir;
    const home = join(dir, 'home');
    this.state = join(home, '.factory', 'worker');
    this.repos = join(home, '.factory', 'repos');
    this.env = {
      HOME: home,
      PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      TMUX_TMPDIR: join(dir, 't'),
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
      WORKER_CONFIG_DIR: join(dir, 'config'),
      WORKER_SECRETS_DIR: join(dir, 'secrets'),
      WORKER_RUN_DIR: join(dir, 'run'),
      WORKER_STATE_DIR: this.state,
      WORKER_REPOS_DIR: this.repos,
      GIT_CONFIG_GLOBAL: '/dev/null',
    };
    this.laptop = { HOME: join(dir, 'laptop'), FACTORY_WORKERS: join(dir, 'workers.yaml') };
  }

  static async make({
    dialect = 'a',
    projects = ['demo'],
    up = true,
    database,
  }: HandWorkerOptions): Promise<HandWorker> {
    const worker = new HandWorker(await makeFolder('hw-'));
    const { dir, env } = worker;
    for (const folder of ['bin', 't', 'config', 'secrets', 'run', 'laptop'])
      await mkdir(join(dir, folder), { mode: 0o700 });
    await mkdir(join(worker.state, 'locks'), { recursive: true });
    await mkdir(worker.repos);
    await symlink(join(BIN, dialect === 'c' ? 'factory-postgres' : 'factory'), join(dir, 'bin', 'factory'));
    for (const name of ['claude', 'gh']) await symlink(join(BIN, name), join(dir, 'bin', name));
    await writeFile(
      join(env['HOME'] ?? '', '.factory-standin'),
      `STANDIN_FACTORY_DIALECT=${dialect}\nSTANDIN_FACTORY_BUSY_MILLISECONDS=200\n`,
    );
    await writeFile(join(dir, 'worker.json'), JSON.stringify({ schema: 1, name: 'w', env }));
    await writeFile(
      join(dir, 'workers.yaml'),
      `workers:\n  - {name: w, runtime: local, home: ${dir}}\n  - {name: worker-1, pod: factory-worker-1, namespace: factory, context: do-nyc1-factory}\n`,
    );
    for (const project of projects) await worker.clone(project);
    if (database !== undefined) {
      worker.env['DATABASE_URL'] = database.url;
      await worker.write('run/database-url', `${database.url}\n`);
    }
    if (up || database !== undefined) await worker.boot(database && { kind: database.kind, state: 'ready' });
    if (up) await worker.up();
    return worker;
  }

  /** A clone on the volume, with a pipeline that needs no agent. */
  async clone(project: string, pipeline = FAST_PIPELINE): Promise<void> {
    const folder = join(this.repos, project);
    await mkdir(folder);
    await writeFile(
      join(folder, 'pipeline.yaml'),
      `${pipeline.trimEnd()}\n  repo: github.com/acme/${project}\n`,
    );
    await this.bash(
      `cd "$WORKER_REPOS_DIR/${project}" && git init -q -b main && git add -A && git -c user.name=t -c user.email=t@t commit -qm start && git update-ref refs/remotes/origin/main HEAD`,
    );
  }

  /** What a supervisor that has booted would have written. */
  async boot(database?: Database): Promise<void> {
    const at = new Date().toISOString();
    const boot = {
      schema: 1,
      bootId: 'b',
      podUid: null,
      image: null,
      startedAt: at,
      finishedAt: at,
      phases: [],
      ...(database && { database }),
    };
    await this.write('run/boot.json', JSON.stringify(boot));
  }

  /** A file of the worker's folder. */
  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.dir, name), text);
  }

  /** Holds the supervisor's lock until the worker is removed. */
  async up(): Promise<void> {
    await this.beat();
    await this.holdLock('boot.lock');
  }

  /** What its loop would have written. */
  async beat(database?: Database): Promise<void> {
    const at = new Date().toISOString();
    const heartbeat = {
      schema: 1,
      state: 'waiting',
      reason: null,
      pid: 1,
      project: null,
      startedAt: at,
      finishedAt: at,
      intervalSeconds: 30,
      actions: [],
      ...(database && { database }),
    };
    await this.write('run/heartbeat.json', JSON.stringify(heartbeat));
  }

  /**
   * Puts something before `factory`. @param script bash that ends, or falls through to the program
   *
   * @returns what takes it away again
   */
  async before(script: string): Promise<() => Promise<unknown>> {
    const [program, aside] = [join(this.dir, 'bin', 'factory'), join(this.dir, 'factory.real')];
    await rename(program, aside);
    await writeFile(program, `#!/bin/bash\n${script}\nexec ${aside} "$@"\n`, { mode: 0o755 });
    return () => rename(aside, program);
  }

  /** Rules by which the fake kubectl takes this worker for the pod of worker-1. `exec` refines the last one. */
  cluster(exec: Omit<Rule, 'run'> & { readonly survives?: boolean } = {}): Rule[] {
    const { survives = false, ...rest } = exec;
    return [
      { match: ['get', 'pods'], stdout: podList(pod()) },
      { match: ['exec'], ...rest, run: { env: this.env, cwd: this.dir, survives } },
    ];
  }

  /** Runs bash as a program of the worker. Rejects when it fails. */
  bash(script: string): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        'bash',
        ['-c', script],
        { env: this.env, cwd: this.dir, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error) reject(new Error(`${script}: ${stderr || error.message}`));
          else resolve(stdout);
        },
      );
    });
  }

  /** Starts bash as a program of the worker; it ends with the worker at the latest. */
  start(script: string, options: SpawnOptions = {}): ReturnType<typeof spawn> {
    const child = spawn('bash', ['-c', script], {
      env: this.env,
      cwd: this.dir,
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      ...options,
    });
    if (child.pid !== undefined) this.#children.add(child.pid);
    return child;
  }

  /** Takes a lock below the state folder. @returns what gives it back */
  async holdLock(name: string): Promise<() => Promise<void>> {
    const child = this.start(`exec 9>>"$WORKER_STATE_DIR/${name}" && flock 9 && echo held && cat`);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.stdin?.end();
      });
  }

  async queue(): Promise<QueueRow[]> {
    return parseQueue(await this.bash('factory queue list --format json'));
  }

  /** `issue status` of each row. */
  async rows(): Promise<string[]> {
    return (await this.queue()).map(({ issue, status }) => `${issue} ${status}`);
  }

  /** Runs SQL on factory's own database. */
  sql(statement: string): Promise<string> {
    return this.bash(`sqlite3 -batch "$HOME/.factory/factory.db" '.timeout 10000' ${quote(statement)}`);
  }

  /** Lines of a file of JSON lines below the state folder. */
  async lines(name: string): Promise<Record<string, unknown>[]> {
    const text = await readFile(join(this.state, name), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Begins anew: an empty store, no records, no locks' leavings. */
  async reset(): Promise<void> {
    await this.bash(
      'rm -rf "$HOME"/.factory/factory.db* "$HOME/.factory/pipelines" "$WORKER_STATE_DIR/dispatch.jsonl" "$WORKER_STATE_DIR/locks/dispatches"; for r in "$WORKER_REPOS_DIR"/*/; do rm -rf "$r/worktrees"; git -C "$r" worktree prune; git -C "$r" branch --list "feature/*" | xargs -r git -C "$r" branch -qD; done',
    );
  }

  async remove(): Promise<void> {
    for (const pid of this.#children) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    await this.bash('tmux kill-server 2>/dev/null || true');
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export function handWorker(options: HandWorkerOptions = {}): Promise<HandWorker> {
  return HandWorker.make(options);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A worker in a privileged container of the Docker that `docker` reaches, as the chart would start it. */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Boot, BootPhase, Settings } from '../../scripts/lib/contract.ts';

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program on this machine; never throws because of its fate. */
export function run(argv: readonly [string, ...string[]], input = '', timeoutMs = 100_000): Promise<Result> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const options = { maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, stdout, stderr: stderr || (error && code === 255 ? `${error.message}` : '') });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

export async function docker(...args: string[]): Promise<string> {
  const result = await run(['docker', ...args]);
  if (result.code !== 0)
    throw new Error(`docker ${args.join(' ').slice(0, 200)}: ${result.stderr || result.stdout}`);
  return result.stdout.trim();
}

/** Polls until the answer is not null. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export type DeepPartial<T> = { readonly [K in keyof T]?: T[K] extends object ? DeepPartial<T[K]> : T[K] };

export interface WorkerOptions {
  readonly image?: string;
  readonly docker?: boolean;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly settings?: DeepPartial<Settings>;
  readonly projects?: readonly object[];
  /** Lines of ~/.factory-standin. */
  readonly standin?: readonly string[];
  readonly memory?: string;
  /** More arguments of `docker run`. */
  readonly args?: readonly string[];
  /** A folder of another worker: its state volume is shared. */
  readonly stateOf?: Worker;
  /** Arguments of `docker run` that bring another state volume. */
  readonly stateArgs?: readonly string[];
  readonly privileged?: boolean;
}

export interface Worker {
  readonly name: string;
  readonly dir: string;
  readonly state: string;
  /** Runs a script in the container, in a plain shell as `kubectl exec` does. */
  sh(script: string, ...args: string[]): Promise<Result>;
  /** The same; throws when it fails. */
  must(script: string, ...args: string[]): Promise<string>;
  health(verb: 'startup' | 'ready' | 'live'): Promise<string>;
  ready(seconds?: number): Promise<void>;
  boot(): Promise<Boot>;
  phase(name: string): Promise<BootPhase | undefined>;
  logs(): Promise<string>;
  setSecret(name: string, value: string): void;
  /** Ends it as a node that dies does. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** SIGTERM. @returns exit code and seconds it took */
  stop(graceSeconds?: number): Promise<{ code: number; seconds: number }>;
  exitCode(): Promise<number>;
  remove(): Promise<void>;
}

const workers = new Set<Worker>();
let count = 0;

const GITHUB = {
  CLAUDE_CODE_OAUTH_TOKEN: 'claude-canary-0123456789',
  GH_TOKEN: 'gh-canary-0123456789',
  GH_USER: 'factory-bot',
};

/** Starts a worker; `removeWorkers` ends it. */
export async function startWorker(options: WorkerOptions = {}): Promise<Worker> {
  count += 1;
  const name = `fw-test-${process.pid}-${count}`;
  const dir = mkdtempSync(join(tmpdir(), 'fw-image-'));
  const state = options.stateOf?.state ?? join(dir, 'state');
  for (const folder of ['config', 'secrets', 'state']) mkdirSync(join(dir, folder), { recursive: true });
  const settings = {
    schema: 1,
    ...options.settings,
    orchestrator: { enabled: true, intervalSeconds: 2, ...options.settings?.orchestrator },
    docker: {
      enabled: options.docker ?? true,
      memoryReserveBytes: 256 * 1024 ** 2,
      storage: { kind: 'ephemeral', sizeBytes: null },
      ...options.settings?.docker,
    },
  };
  writeFileSync(join(dir, 'config/settings.json'), JSON.stringify(settings));
  writeFileSync(join(dir, 'config/projects.json'), JSON.stringify(options.projects ?? []));
  if (options.standin) writeFileSync(join(dir, 'standin'), `${options.standin.join('\n')}\n`);
  const setSecret = (key: string, value: string): void => {
    const path = join(dir, 'secrets', key);
    writeFileSync(`${path}.new`, value);
    chmodSync(`${path}.new`, 0o400);
    renameSync(`${path}.new`, path);
  };
  for (const [key, value] of Object.entries(options.secrets ?? GITHUB)) setSecret(key, value);

  const args = [
    ...['create', '--name', name, '--hostname', name],
    ...(options.privileged === false ? [] : ['--privileged']),
    ...['--memory', options.memory ?? '2g', '--oom-score-adj', '900'],
    ...[
      '--env',
      `WORKER_NAME=${name}`,
      '--env',
      `WORKER_POD_UID=${name}`,
      '--env',
      `WORKER_POD_NAME=${name}`,
    ],
    ...['--volume', `${join(dir, 'config')}:/etc/factory-worker/config:ro`],
    ...['--volume', `${join(dir, 'secrets')}:/run/secrets/factory-worker:ro`],
    ...(options.stateArgs ?? ['--volume', `${state}:/root/.factory`]),
    ...(options.standin ? ['--volume', `${join(dir, 'standin')}:/root/.factory-standin:ro`] : []),
    ...(options.args ?? []),
    options.image ?? 'factory-worker:standins',
  ];
  await docker(...args);

  const sh = (script: string, ...rest: string[]) =>
    run(['docker', 'exec', name, 'bash', '-c', script, 'test', ...rest]);
  const worker: Worker = {
    name,
    dir,
    state,
    sh,
    async must(script, ...rest) {
      const result = await sh(script, ...rest);
      if (result.code !== 0)
        throw new Error(`exit code ${result.code} of: ${script}\n${result.stdout}${result.stderr}`);
      return result.stdout.trim();
    },
    health: async (verb) => (await run(['docker', 'exec', name, 'worker-health', verb])).stdout.trim(),
    async ready(seconds = 60) {
      let last = '';
      try {
        await until(
          'ready',
          async () => {
            last = await worker.health('ready');
            return last === 'ok';
          },
          seconds,
        );
      } catch (error) {
        throw new Error(`${error}: ${last}\n${await worker.logs()}`);
      }
    },
    boot: async () => JSON.parse(await worker.must('cat "$WORKER_RUN_DIR/boot.json"')) as Boot,
    async phase(phase) {
      // It may not have been written yet.
      const { code, stdout } = await sh('cat "$WORKER_RUN_DIR/boot.json"');
      return code === 0 ? (JSON.parse(stdout) as Boot).phases.find((one) => one.name === phase) : undefined;
    },
    async logs() {
      const { stdout, stderr } = await run(['docker', 'logs', name]);
      return stdout + stderr;
    },
    setSecret,
    async crash() {
      await docker('kill', '--signal', 'KILL', name);
      await docker('wait', name);
    },
    async start() {
      await docker('start', name);
    },
    async stop(graceSeconds = 60) {
      const started = Date.now();
      await docker('stop', '--time', `${graceSeconds}`, name);
      return { code: await worker.exitCode(), seconds: (Date.now() - started) / 1000 };
    },
    exitCode: async () => Number(await docker('inspect', '--format', '{{.State.ExitCode}}', name)),
    async remove() {
      workers.delete(worker);
      await run(['docker', 'rm', '--force', '--volumes', name]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  workers.add(worker);
  await worker.start();
  return worker;
}

/** For `afterAll` and `afterEach`. */
export async function removeWorkers(): Promise<void> {
  await Promise.all([...workers].map((worker) => worker.remove()));
}

/** Loads what the tests run inside a worker into its own Docker, as `stack`. */
export async function loadStack(worker: Worker): Promise<void> {
  const tar = join(import.meta.dirname, '../../.cache/image/stack.tar');
  await new Promise<void>((resolve, reject) => {
    const child = spawn(
      'sh',
      ['-c', 'docker exec -i "$1" docker import - stack <"$2"', 'sh', worker.name, tar],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(said))));
  });
}

/** A tiny image with busybox for a worker's own Docker, as `box`. */
export async function loadBox(worker: Worker): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'fw-box-'));
  try {
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'bin/busybox'), readFileSync('/bin/busybox'));
    chmodSync(join(work, 'bin/busybox'), 0o755);
    await run(['/bin/busybox', '--install', '-s', join(work, 'bin')]);
    // The links that --install made are absolute and name this machine's busybox.
    const tar = await run([
      'sh',
      '-c',
      'cd "$1" && for l in bin/*; do [ ! -L "$l" ] || ln -sf busybox "$l"; done && mkdir -p tmp && tar -c . | docker exec -i "$2" docker import - box',
      'sh',
      work,
      worker.name,
    ]);
    if (tar.code !== 0) throw new Error(tar.stderr);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A number that somebody may want to read in the log of a run. */
export function measured(text: string): void {
  process.stdout.write(`measured: ${text}\n`);
}

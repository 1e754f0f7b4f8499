/**
 * A kubectl for tests: a real program that is really started, with a script of rules instead of a cluster.
 *
 *     const kubectl = fakeKubectl([
 *       { match: ['get', 'pods'], stdout: JSON.stringify(podList) },
 *       { match: ['exec', 'factory-worker-1-*'], run: { env: { HOME: home, PATH: process.env.PATH } } },
 *     ]);
 *     await run(status, ['worker-1'], { env: { KUBECTL: kubectl.path } });
 *     expect(kubectl.calls()[0]?.argv).toEqual([...]);
 *     kubectl.remove();
 *
 * Each call is answered by the first rule that matches and is not used up; a call without a rule fails and says so.
 *
 *     what a cluster does                              the rule
 *     answers                                          { stdout, stderr, code }
 *     warns first (klog lines, deprecations)           { warnings }
 *     is slow; never answers                           { sleepSeconds: 3 }; { hang: true }
 *     ignores SIGTERM (a stuck credential plugin)      { hang: true, ignoreTerm: true }
 *     loses the stream, yet ends with success          { stdout | run, cutAfter: 40 }   (kubernetes/kubernetes#73056)
 *     works the second time                            [{ times: 1, code: 1, … }, { … }]
 *     runs the remote command, for real, on this       { run: { env, cwd } }: what stands after `--`, with exactly that
 *     machine                                          environment; stdin only with -i, one stream with -t, and kubectl's
 *                                                      "command terminated with exit code N" on stderr
 *     is asked through a connection                    { match: ['proxy'], proxyTo: port } of a cluster-server.ts
 *     goes on running after kubectl was killed         { run: { env, survives: true } } (Linux: needs setsid)
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Rule {
  /** Words that must all be among the arguments, in this order; `*` and `?` match as in file names. Every call when absent. */
  readonly match?: readonly string[];
  /** How many calls the rule answers; without end when absent. */
  readonly times?: number;
  /** Written to stderr before anything else happens. */
  readonly warnings?: string;
  readonly sleepSeconds?: number;
  readonly hang?: boolean;
  readonly ignoreTerm?: boolean;
  readonly stdout?: string | Buffer;
  readonly stderr?: string;
  readonly code?: number;
  /** stdout ends after so many bytes, and the exit code is 0 (or `code`). */
  readonly cutAfter?: number;
  /** Port that the socket of `kubectl proxy` leads to. */
  readonly proxyTo?: number;
  readonly run?: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly cwd?: string;
    readonly survives?: boolean;
  };
}

export interface Call {
  readonly argv: readonly string[];
  /** Milliseconds since the epoch; null while it runs, or when it was killed. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly code: number | null;
}

export interface FakeKubectl {
  /** The program: for KUBECTL, or its directory for PATH. */
  readonly path: string;
  readonly dir: string;
  /** Replaces the rules. */
  setRules(rules: readonly Rule[]): void;
  /** All calls so far, in the order in which they started. */
  calls(): Call[];
  /** The largest number of calls that ran at the same moment. */
  mostAtOnce(): number;
  remove(): void;
}

const SCRIPT = fileURLToPath(new URL('fake-kubectl.sh', import.meta.url));

export function fakeKubectl(rules: readonly Rule[] = []): FakeKubectl {
  const dir = mkdtempSync(join(tmpdir(), 'fake-kubectl-'));
  const path = join(dir, 'kubectl');
  symlinkSync(SCRIPT, path);
  mkdirSync(join(dir, 'calls'));
  const setRules = (wanted: readonly Rule[]) => {
    rmSync(join(dir, 'rules'), { recursive: true, force: true });
    for (const [index, rule] of wanted.entries()) writeRule(join(dir, 'rules', `${1000 + index}`), rule);
  };
  const calls = () =>
    readdirSync(join(dir, 'calls'))
      .map((id) => readCall(join(dir, 'calls', id)))
      .filter((call) => call !== null)
      .sort((a, b) => a.startedAt - b.startedAt);
  setRules(rules);
  return {
    path,
    dir,
    setRules,
    calls,
    mostAtOnce() {
      const all = calls();
      const running = all.map(
        ({ startedAt }) =>
          all.filter((other) => other.startedAt <= startedAt && (other.endedAt ?? Infinity) > startedAt)
            .length,
      );
      return Math.max(0, ...running);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function writeRule(dir: string, rule: Rule): void {
  mkdirSync(dir, { recursive: true });
  const write = (name: string, content: string | Buffer | undefined) => {
    if (content !== undefined) writeFileSync(join(dir, name), content);
  };
  const flag = (on: boolean | undefined) => (on ? '' : undefined);
  write('match', (rule.match ?? []).map((word) => `${word}\n`).join(''));
  write('times', rule.times?.toString());
  write('warnings', rule.warnings);
  write('sleep', rule.hang ? '3600' : rule.sleepSeconds?.toString());
  write('ignore-term', flag(rule.ignoreTerm));
  write('stdout', rule.stdout ?? '');
  write('stderr', rule.stderr ?? '');
  write('code', `${rule.code ?? 0}`);
  write('cut', rule.cutAfter?.toString());
  write('proxy-to', rule.proxyTo?.toString());
  if (rule.run === undefined) return;
  const environment = Object.entries(rule.run.env).filter(([, value]) => value !== undefined);
  write('run', '');
  write('env', environment.map(([name, value]) => `${name}=${value}\0`).join(''));
  write('cwd', rule.run.cwd ?? '/');
  write('survives', flag(rule.run.survives));
}

function readCall(dir: string): Call | null {
  const argv = stat(join(dir, 'argv'));
  if (argv === null) return null;
  const end = stat(join(dir, 'code'));
  const code = end === null ? '' : readFileSync(join(dir, 'code'), 'utf8').trim();
  return {
    argv: readFileSync(join(dir, 'argv'), 'utf8').split('\0').slice(0, -1),
    startedAt: argv.mtimeMs,
    endedAt: end?.mtimeMs ?? null,
    code: code === '' ? null : Number(code),
  };
}

function stat(path: string) {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

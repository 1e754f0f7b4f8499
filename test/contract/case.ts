// What a contract case is: a row of data, and the small words it is written with.
import type { Outcome } from './run.ts';
import type { Box, Dialect, Project } from './sandbox.ts';

/** An argument list, or how the place and its dialect make one. */
export type Argv = readonly string[] | ((box: Box) => readonly string[]);

/** More for the program's environment; '' removes a variable. */
export type Env = NodeJS.ProcessEnv | ((box: Box) => NodeJS.ProcessEnv);

/** What must be true of an outcome. `rc` is 0 unless said otherwise. */
export interface Expect {
  rc?: number;
  /** The exact text, or a pattern it must match. */
  stdout?: string | RegExp;
  stderr?: string | RegExp;
  /** A pattern that stdout must not match. */
  absent?: RegExp;
  /** stdout as JSON must contain this (objects by subset, arrays by length and order). */
  json?: unknown;
  /** An error as cobra reports it: rc 1, `Error: MESSAGE`, usage, MESSAGE again. Text or pattern of MESSAGE. */
  error?: string | RegExp;
  /** Anything the words above cannot say. Throws when not satisfied. */
  check?: (outcome: Outcome, box: Box) => void;
}

export type Step =
  | { do: 'factory'; argv: Argv; expect: Expect; cwd?: (box: Box) => string; env?: Env }
  | { do: 'bash'; script: string; expect: Expect }
  | { do: 'set'; settings: Record<string, string> }
  | { do: 'start'; name: string; argv: Argv; env?: Env }
  | { do: 'kill'; name: string; signal: NodeJS.Signals | 'close-stderr' }
  | { do: 'ended'; name: string; expect: Expect }
  | { do: 'until'; argv: Argv; stdout: RegExp };

export interface Case {
  name: string;
  /** Section of README.md the case comes from. */
  section: string;
  /** Dialects it applies to; all when absent. */
  dialects?: readonly Dialect[];
  /** The project; null for none. A single checks_only stage when absent. */
  project?: Project | null;
  /** Further settings of the stand-ins. */
  settings?: Record<string, string>;
  /** Runs agent stages, which take a real binary 46 s or more: then only with CONTRACT_SLOW=1. */
  slow?: boolean;
  /** Why the case cannot be put to a real binary. */
  standinOnly?: string;
  steps: readonly Step[];
}

/** Runs the program in the project's clone. */
export function factory(argv: Argv, expect: Expect = {}): Step {
  return { do: 'factory', argv, expect };
}

/** Runs the program in another directory. */
export function factoryIn(cwd: (box: Box) => string, argv: Argv, expect: Expect = {}): Step {
  return { do: 'factory', argv, expect, cwd };
}

/** Runs the program with more in its environment. */
export function factoryEnv(env: Env, argv: Argv, expect: Expect = {}): Step {
  return { do: 'factory', argv, expect, env };
}

/** Runs bash in the place, with $BOX, $REPO, $OTHER and $DIALECT. */
export function bash(script: string, expect: Expect = {}): Step {
  return { do: 'bash', script, expect };
}

/** Starts the program in the background. */
export function start(name: string, argv: Argv, env: Env = {}): Step {
  return { do: 'start', name, argv, env };
}

/** Sends a signal to it, or closes the reader of its stderr. */
export function kill(name: string, signal: NodeJS.Signals | 'close-stderr'): Step {
  return { do: 'kill', name, signal };
}

/** Waits for its end. */
export function ended(name: string, expect: Expect = {}): Step {
  return { do: 'ended', name, expect };
}

/** Repeats a call until its stdout matches. */
export function until(argv: Argv, stdout: RegExp): Step {
  return { do: 'until', argv, stdout };
}

/** Replaces the stand-ins' settings of the case. */
export function set(settings: Record<string, string>): Step {
  return { do: 'set', settings };
}

/** `queue add` of one issue, in the words of the dialect. */
export function add(issue: string, ...more: string[]): (box: Box) => readonly string[] {
  return (box) => {
    switch (box.dialect) {
      case 'design':
        return ['queue', 'add', '--project', 'demo', '--issue', issue, ...more];
      case 'a':
        return ['queue', 'add', issue, ...more];
      default:
        return ['queue', 'add', issue, '--config', `${box.repo}/pipeline.yaml`, ...more];
    }
  };
}

/** `queue add` with an intent, expected to succeed. */
export function added(issue: number): Step {
  return factory(add(String(issue), '--intent', 'Users get X.'), {
    stdout: 'Added 1 issue(s) to the queue\n',
  });
}

/** The same of an issue of the second project, from its clone (dialect b). */
export function addedOther(issue: number): Step {
  const argv = ['queue', 'add', String(issue), '--config', 'pipeline.yaml', '--intent', 'Users get Y.'];
  return factoryIn((box) => box.other, argv, { stdout: 'Added 1 issue(s) to the queue\n' });
}

/** `event log`, as the hooks of an agent's session call it. */
export function event(session: string, issue: number, stage: string, state: string): Argv {
  const words = { session, issue: String(issue), stage, event: state };
  return ['event', 'log', ...Object.entries(words).flatMap(([flag, value]) => [`--${flag}`, value])];
}

export const QUEUE: Argv = ['queue', 'list', '--format', 'json'];
export const STATUS: Argv = ['status', '--format', 'json'];
export const CHECK_IN: Argv = ['orchestrator', 'check-in', '--format', 'json'];

/** A check-in whose actions are exactly these, in this order (each by subset). */
export function checkIn(...actions: object[]): Step {
  return factory(CHECK_IN, { json: { actions } });
}

/** Given: an issue whose pipeline is there, and whose first stage has not begun. */
export function begun(issue: number): Step[] {
  return [added(issue), checkIn({ issue, action: 'queue_started' })];
}

/** Given: a check-in, called `stage`, that is in the middle of a stage. */
export const IN_STAGE: readonly Step[] = [start('stage', CHECK_IN), until(STATUS, /in_progress/)];

/** Given: a folder $BOX/neutral that is valid and no project's. */
export const NEUTRAL = bash(
  'mkdir "$BOX/neutral"; git init -q "$BOX/neutral"; echo "pipeline: {}" >"$BOX/neutral/pipeline.yaml"',
);

/** What the agent's session of a stage showed, as it was saved at its end. */
export function sessionLog(expect: Expect, stage = '*'): Step {
  return bash(`cat "$(find "$HOME/.factory/pipelines" -path '*/${stage}/*' -name session.log)"`, expect);
}

/** The queue's issues and their states, in order. */
export function queueIs(...rows: [issue: number, status: string][]): Step {
  const json = rows.map(([issue, status]) => ({ Issue: issue, Status: status }));
  return factory(QUEUE, rows.length === 0 ? { stdout: 'null\n' } : { json });
}

/** Stages for `project`. In each, `one` and `two` run checks only. */
export const STAGES = {
  ok: `
  checks: {ok: {command: "true"}}
  stages:
    - {id: one, type: checks_only, checks: [ok]}
`,
  two: `
  checks: {ok: {command: "true"}}
  stages:
    - {id: one, type: checks_only, checks: [ok]}
    - {id: two, type: checks_only, checks: [ok]}
`,
  failing: `
  checks:
    no:
      command: "false"
  stages:
    - id: one
      type: checks_only
      checks: [no]
`,
  long: `
  checks: {ok: {command: "sleep 20"}}
  stages:
    - {id: one, type: checks_only, checks: [ok]}
`,
  agent: `
  stages:
    - id: implement
`,
};

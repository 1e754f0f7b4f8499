/**
 * An `Exec` that plays workers and their clusters inside the test, so that thousands of runs take seconds: it knows a call by
 * its argv, as a fake kubectl would, and answers it as `honest.ts` says, or as a lie has it.
 *
 * What belongs to this machine alone (tar, sh) is really run.
 */
import { createHash } from 'node:crypto';
import {
  type Argv,
  createExec,
  type Exec,
  type RunOptions,
  type StreamOptions,
} from '../../scripts/lib/exec.ts';
import { helm, inside, kubectl, type Scene, type State, stateOf } from './honest.ts';
import { frameBytes, type Reply, text } from './reply.ts';
import { tarOf } from './tar.ts';

/** A question that a command asks: `worker-1 look`, `worker-1 kubectl get pods`, `worker-1 helm status`. */
export type Question = string;

/** Makes of the honest answer to a question another one. */
export interface Lie {
  readonly question: Question;
  readonly change: (honest: Reply) => Reply;
}

export interface Playing {
  readonly exec: Exec;
  /** What was asked, and the honest answer to the first time it was. */
  readonly asked: Map<Question, Reply>;
  /** Bytes of all answers, for what is told in proportion to them. */
  readonly bytes: () => number;
  /** How often something was asked. */
  readonly count: () => number;
}

export interface Play {
  /** Scenes by the name of the worker. */
  readonly scenes: Readonly<Record<string, Scene>>;
  readonly lie?: Lie;
  /** Exit codes of what is given the terminal, one after the other; then 0. */
  readonly interactive?: readonly number[];
  /** A script whose first answer gets lost on the way. */
  readonly lost?: string;
  /** Called before each answer, with how many there were. */
  readonly onAsk?: (count: number) => void;
  /** Called when something was started that outlives the command. */
  readonly onDetach?: () => void;
}

const PROGRAMS_HERE = new Set(['tar', 'sh', 'gzip', 'sqlite3']);
const real = createExec();

export function play({
  scenes,
  lie,
  interactive = [],
  lost,
  onAsk = () => {},
  onDetach = () => {},
}: Play): Playing {
  const states = new Map(Object.entries(scenes).map(([name, scene]) => [name, stateOf(name, scene)]));
  const asked = new Map<Question, Reply>();
  const codes = [...interactive];
  let stillToLose = lost;
  let bytes = 0;
  let count = 0;

  const answer = (argv: Argv, input: string): { reply: Reply; nonce: string } => {
    const { question, honest, nonce } = ask(argv, states, input);
    if (!asked.has(question)) asked.set(question, honest);
    let reply = lie?.question === question ? lie.change(honest) : honest;
    if (stillToLose !== undefined && question.endsWith(` ${stillToLose}`)) {
      stillToLose = undefined;
      reply = text();
    }
    count++;
    onAsk(count);
    return { reply, nonce };
  };
  const told = (reply: Reply, nonce: string) => {
    const said = spoken(reply, nonce);
    bytes += said.stdout.length + said.stderr.length;
    return said;
  };

  const exec: Exec = {
    async run(argv, options: RunOptions = {}) {
      if (PROGRAMS_HERE.has(argv[0])) return real.run(argv, options);
      const { reply, nonce } = answer(argv, String(options.input ?? ''));
      const said = told(reply, nonce);
      options.onStdout?.(said.stdout);
      return { argv, ...said, timedOut: false, aborted: options.signal?.aborted ?? false };
    },
    async stream(argv, options: StreamOptions) {
      if (PROGRAMS_HERE.has(argv[0])) return real.stream(argv, options);
      const { reply, nonce } = answer(argv, '');
      const sum = createHash('sha256');
      if (options.input) for await (const chunk of options.input) sum.update(chunk as Buffer);
      const { stdout, stderr, code } = told(reply, nonce);
      const digest = sum.digest('hex');
      // One that is told too much refuses; the real stream ends the program then.
      options.output.once('error', () => {});
      options.output.end(reply.kind === 'text' ? replaceAll(stdout, 'SHA256', digest) : stdout);
      return { code, stderr, stalled: false };
    },
    async interactive(argv) {
      answer(argv, '');
      return codes.shift() ?? 0;
    },
    async detach(argv) {
      answer(argv, '');
      onDetach();
      return process.pid;
    },
    serve: async () => null,
    async keep() {},
    close() {},
    trace() {},
  };
  return { exec, asked, bytes: () => bytes, count: () => count };
}

function spoken(reply: Reply, nonce: string): { stdout: Buffer; stderr: string; code: number } {
  switch (reply.kind) {
    case 'frame':
      return { stdout: frameBytes(reply, nonce), stderr: '', code: 0 };
    case 'text':
      return {
        stdout: Buffer.from(named(reply.stdout, nonce)),
        stderr: named(reply.stderr, nonce),
        code: reply.code,
      };
    case 'archive': {
      const stdout = tarOf(reply.files);
      const sum = createHash('sha256').update(stdout).digest('hex');
      return { stdout, stderr: named(reply.stderr, nonce).replaceAll('SUM', sum), code: 0 };
    }
  }
}

const named = (said: string, nonce: string) => said.replaceAll('NONCE', nonce);

function replaceAll(bytes: Buffer, word: string, by: string): Buffer {
  return bytes.includes(word) ? Buffer.from(bytes.toString('latin1').replaceAll(word, by), 'latin1') : bytes;
}

/** What a call is, and the honest answer to it. */
function ask(argv: Argv, states: ReadonlyMap<string, State>, input: string) {
  const [program, ...words] = argv;
  const flag = (name: string) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const script = scriptIn(argv);
  const context = flag('context') ?? flag('kube-context');
  // Contexts are called after their workers; what names none is a question to this machine's own programs.
  const here = script === null ? 'laptop' : 'local';
  const name = context?.replace(/^ctx-/, '') ?? here;
  const state = states.get(name) ?? states.get('worker-1');
  if (state === undefined) throw new Error(`no scene for worker ${name}`);
  if (script !== null) {
    const honest = inside(state, script.name, script.args);
    return { question: `${name} ${script.name}`, honest, nonce: script.nonce };
  }
  const own = words.filter(
    (word) => !/^--(context|kube-context|namespace|kubeconfig|request-timeout)=/.test(word),
  );
  const [verb = '', what = ''] = own;
  switch (program) {
    case 'kubectl': {
      const noun = verb === 'get' || verb === 'config' || what.startsWith('--dry-run') ? ` ${what}` : '';
      return { question: `${name} kubectl ${verb}${noun}`, honest: kubectl(state, own, input), nonce: '' };
    }
    case 'helm': {
      const noun = verb === 'get' ? ` ${what}` : own.includes('--dry-run=server') ? ' --dry-run' : '';
      return { question: `${name} helm ${verb}${noun}`, honest: helm(state, own), nonce: '' };
    }
    case 'flock':
      return { question: 'flock', honest: text('', '', 75), nonce: '' };
    case 'factory':
      return {
        question: 'factory __complete',
        honest: text('queue\tThe queue\nstatus\tHow it is\n:4\n'),
        nonce: '',
      };
    default:
      return { question: program, honest: text(), nonce: '' };
  }
}

/** Our own script in an argv, be it framed or plain. */
function scriptIn(argv: Argv): { name: string; nonce: string; args: string[] } | null {
  const at = argv.findIndex((word, index) => word === '-c' && argv[index - 1] === 'bash');
  const name = argv[at + 2];
  if (at < 0 || name === undefined || name === 'which') return null;
  // `attach` and `shell` have no nonce: what they answer is for the terminal alone.
  const args = argv.slice(at + 3);
  if (['attach', 'shell', 'exec'].includes(name)) return null;
  const [nonce = '', ...rest] = args;
  return { name, nonce, args: rest };
}

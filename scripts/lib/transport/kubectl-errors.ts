/** Turns kubectl's error messages into error kinds, each with a hint. */
import { ExitCode } from '../cli/errors.ts';
import { oneLine, shellLine } from '../cli/text.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import type { RunResult } from '../exec.ts';
import { TransportError, type TransportErrorKind } from './transport.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly kind: TransportErrorKind;
  readonly hint: (worker: ClusterWorker, match: RegExpExecArray) => string;
}

/** A command to paste, for the worker's cluster; with the worker's kubeconfig if it has one. */
export function kubectlCommand({ context, kubeconfig }: ClusterWorker, ...words: string[]): string {
  const file = kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig];
  return shellLine(['kubectl', ...file, '--context', context, ...words]);
}

/** A command to paste, for the worker's namespace. */
export function kubectlInNamespace(worker: ClusterWorker, ...words: string[]): string {
  return kubectlCommand(worker, '-n', worker.namespace, ...words);
}

/** The first match wins, so specific rules come before general ones. */
const RULES: readonly Rule[] = [
  {
    pattern: /context "([^"]+)" does not exist|context was not found for specified context: (\S+)/,
    kind: 'missing',
    hint: () => 'kubectl config get-contexts lists the contexts; the worker’s is in workers.yaml',
  },
  {
    pattern: /error loading config file|^(?:error: )?stat .*: no such file or directory/,
    kind: 'missing',
    hint: ({ kubeconfig }) =>
      `the kubeconfig: ${kubeconfig ?? '$KUBECONFIG, otherwise ~/.kube/config'}; to check it: kubectl config view`,
  },
  {
    pattern: /container \S+ (?:is not valid for pod|not found in pod)/,
    kind: 'missing',
    hint: () =>
      '`container:` in workers.yaml names the container; without it, the pod’s default container is used',
  },
  {
    pattern: /cannot (\w+) resource "([^"]+)"/,
    kind: 'forbidden',
    hint: ({ namespace }, match) =>
      `ask for the verb ${match[1]} on ${match[2]} in namespace ${namespace} (list: get, list on pods; exec: get, create on pods/exec)`,
  },
  {
    pattern: /exceeded quota|failed quota|(?:minimum|maximum) [\w.-]+ usage per (?:Container|Pod)/,
    kind: 'forbidden',
    hint: (worker) =>
      `rules of the namespace refuse it: ${kubectlInNamespace(worker, 'describe', 'resourcequotas,limitranges')}`,
  },
  {
    pattern: /violates PodSecurity/,
    kind: 'forbidden',
    hint: (worker) =>
      `labels of the namespace refuse it: ${kubectlCommand(worker, 'get', 'namespace', worker.namespace, '--show-labels')}`,
  },
  {
    pattern: /\(Forbidden\)|is forbidden/,
    kind: 'forbidden',
    hint: (worker) => `what is allowed: ${kubectlInNamespace(worker, 'auth', 'can-i', '--list')}`,
  },
  {
    pattern: /Unauthorized|must be logged in|provide credentials|getting credentials/,
    kind: 'unauthorized',
    hint: (worker) => `log in to the cluster again; test: ${kubectlCommand(worker, 'version')}`,
  },
  {
    pattern: /namespaces "([^"]+)" not found/,
    kind: 'missing',
    hint: (worker) => `existing namespaces: ${kubectlCommand(worker, 'get', 'namespaces')}`,
  },
  {
    pattern:
      /pods "([^"]+)" not found|pod does not exist|container not found|cannot exec into a container in a completed pod/,
    kind: 'not-running',
    hint: (worker) => `its pods now: ${kubectlInNamespace(worker, 'get', 'pods')}`,
  },
  {
    pattern:
      /exec: "?(\w+)"?: (executable file )?not found|exec failed: .*no such file or directory|failed to run command/,
    kind: 'program',
    hint: () => 'the worker’s image lacks bash or timeout: is it a factory-worker image?',
  },
  {
    // The kubelet answers, the container runtime of its node does not. (To tell by its socket: containerd, CRI-O.)
    pattern: /\bdial unix \S+\.sock:/,
    kind: 'node-unreachable',
    hint: (worker) =>
      `the container runtime of its node does not answer; to see the node and its state: ${kubectlInNamespace(worker, 'get', 'pods', '-o', 'wide')}; ${kubectlCommand(worker, 'get', 'nodes')}; on the node, restart the runtime (containerd: systemctl restart containerd), which leaves its pods running`,
  },
  {
    // The API server answers, the kubelet of the worker's node does not.
    pattern: /error dialing backend|\b(?:Get|Post) "https:\/\/[^"]*:10250\//,
    kind: 'node-unreachable',
    hint: (worker) =>
      `its node does not answer; to see the node and its state: ${kubectlInNamespace(worker, 'get', 'pods', '-o', 'wide')}; ${kubectlCommand(worker, 'get', 'nodes')}`,
  },
  {
    pattern:
      /unable to connect to the server|connection refused|no such host|i\/o timeout|TLS handshake timeout|deadline exceeded|did you specify the right host|network is unreachable|no route to host|server is currently unable|x509:|etcdserver/i,
    kind: 'unreachable',
    hint: (worker) =>
      `is the cluster up, and the VPN? test: ${kubectlCommand(worker, 'get', '--raw', '/readyz')}`,
  },
];

/**
 * No connection was made to the API server, from the API server to the kubelet, or from the kubelet to the container runtime.
 * An API server writes the request only after it has dialled (k8s.io/apimachinery 0.34, proxy/upgradeaware.go); a lost
 * request has another message.
 */
const NEVER_BEGAN =
  /error dialing backend: |\bdial (?:tcp|unix)\b|The connection to the server \S+ was refused/;

/** These say something about the cluster, or the way to it, and nothing about a worker. */
const OF_THE_CLUSTER: ReadonlySet<TransportErrorKind> = new Set(['unreachable', 'unauthorized']);

/** What is left of a network's failure when addresses are left out: they may differ from call to call. */
const NETWORK =
  /connection refused|no such host|i\/o timeout|TLS handshake timeout|network is unreachable|no route to host/;

/** kubectl's message in a few words: `connection refused`. */
function shortened(said: string): string {
  if (/The connection to the server \S+ was refused/.test(said)) return 'connection refused';
  return NETWORK.exec(said)?.[0] ?? oneLine(said);
}

/** kubectl's message that the program in the worker, not kubectl itself, ended with a code. */
const REMOTE_END = /^command terminated with exit code/m;

/** kubectl's stderr without log lines; one may span many lines (`err=<`), as credential plugins cause them. */
function ownLines(stderr: string): string {
  return (
    stderr
      // Of a broken ~/.kube/kuberc; kubectl's own words follow without a newline (kubectl 1.34 to 1.37).
      .replace(/^kuberc: .*?(?=Error from server|Unable to connect|The connection to|(?<! )error: |$)/m, '')
      .replaceAll(/^[EWIF]\d{4} .*err=<\n(?:\t.*\n)* >$/gm, '')
      // The URL of an exec request to a kubelet contains the whole script. (A login page's URL needs its query.)
      .replaceAll(/(\bhttps?:\/\/[^\s"?]+)\?[^\s"]*\bcommand=[^\s"]*/g, '$1')
      .split('\n')
      .filter(
        (line) => line.trim() !== '' && !/^(?:[EWIF]\d{4}|Warning:) /.test(line) && !REMOTE_END.test(line),
      )
      .join('\n')
  );
}

/** kubectl's own words, for a sentence of ours. */
export function kubectlMessage(stderr: string): string {
  return ownLines(stderr)
    .replace(/^(?:error: |Error from server(?: \(\w+\))?: )/, '')
    .trim();
}

const LAST_LINES = 3;
const LINE_CHARACTERS = 300;

/**
 * What a program printed before it timed out: a login plugin that waits for its user names a page there.
 *
 * @returns the end of a sentence; empty when it printed nothing
 */
export function lastWords(stderr: string): string {
  const lines = ownLines(stderr)
    .split('\n')
    .slice(-LAST_LINES)
    .map((line) => oneLine(line.slice(0, LINE_CHARACTERS)).trim())
    .filter((line) => line !== '');
  return lines.length === 0 ? '' : `; its last output: ${lines.join(' / ')}`;
}

/**
 * Turns a failed kubectl call into an error.
 *
 * @param result a call that timed out, or ended with another code than 0
 * @param doing completes the sentence "cannot …"
 */
export function kubectlError(result: RunResult, worker: ClusterWorker, doing: string): TransportError {
  const where = `${worker.name} (context ${worker.context}, namespace ${worker.namespace})`;
  // A shell's exit codes for a program that is not found, or cannot be run.
  if ((result.code === 127 || result.code === 126) && !REMOTE_END.test(result.stderr)) {
    const why = result.code === 127 ? 'is not installed, or not on PATH' : 'is not a program that can be run';
    return new TransportError('program', `${result.argv[0]} ${why}`, {
      exitCode: ExitCode.missingProgram,
      hints: ['get it: https://kubernetes.io/docs/tasks/tools/ (or set KUBECTL to its path)'],
    });
  }
  if (result.timedOut) {
    const message = `cannot ${doing} ${where}: no answer in time${lastWords(result.stderr)}`;
    return new TransportError('unreachable', message, {
      exitCode: ExitCode.timeout,
      reason: `no answer in time${lastWords(result.stderr)}`,
      hints: [
        `test: ${kubectlCommand(worker, 'get', '--raw', '/readyz')}`,
        'a slow connection: --timeout 2m',
      ],
    });
  }
  const said = kubectlMessage(result.stderr);
  const message = `cannot ${doing} ${where}: ${said || `kubectl ended with ${result.code} and said nothing`}`;
  for (const { pattern, kind, hint } of RULES) {
    // Log lines count only when there is nothing else: a cluster whose metrics are down adds some to every call.
    const match = pattern.exec(ownLines(result.stderr) || result.stderr);
    if (match) {
      return new TransportError(kind, message, {
        hints: [hint(worker, match)],
        neverBegan: NEVER_BEGAN.test(said),
        reason: OF_THE_CLUSTER.has(kind) && said !== '' ? shortened(said) : undefined,
      });
    }
  }
  return new TransportError('broken', message);
}

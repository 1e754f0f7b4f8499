import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunResult } from '../../scripts/lib/exec.ts';
import { helmError } from '../../scripts/lib/helm/helm.ts';
import { helmCommand, setValueCommand } from '../../scripts/lib/helm/set-value.ts';
import {
  kubectlCommand,
  kubectlError,
  kubectlInNamespace,
  kubectlMessage,
} from '../../scripts/lib/transport/kubectl-errors.ts';
import type { TransportErrorKind } from '../../scripts/lib/transport/transport.ts';
import { WORKER as worker } from '../support/samples.ts';

function failed(stderr: string, rest: Partial<RunResult> = {}): RunResult {
  return {
    argv: ['kubectl', 'get', 'pods'],
    code: 1,
    stdout: Buffer.alloc(0),
    stderr,
    timedOut: false,
    aborted: false,
    ...rest,
  };
}

const KLOG_REFUSED =
  'E1122 17:37:33.242274   24880 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group list: Get \\"https://127.0.0.1:1/api?timeout=3s\\": dial tcp 127.0.0.1:1: connect: connection refused"\n';
const KLOG_PLUGIN = `E1122 17:37:33.359279   24891 memcache.go:265] "Unhandled Error" err=<
	couldn't get current server API group list: Get "https://127.0.0.1:1/api?timeout=3s": getting credentials: exec: executable doctl not found
	
	It looks like you are trying to use a client-go credential plugin that is not installed.
	
	To learn more about this feature, consult the documentation available at:
	      https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 >
`;
const KLOG_METRICS =
  'E1122 17:37:33.242274   24880 memcache.go:287] "Unhandled Error" err="couldn\'t get resource list for metrics.k8s.io/v1beta1: the server is currently unable to handle the request"\n';
/** Without a newline. A wrapper may turn kuberc on again, which is switched off for each call. */
const KUBERC =
  "kuberc: no preferences loaded from /root/.kube/kuberc: couldn't get version/kind; json parse error: json: cannot unmarshal string";
const OCI =
  'error: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "fc7e": OCI runtime exec failed: exec failed: unable to start container process: exec: "timeout": executable file not found in $PATH: unknown\n';

describe('what kubectl complains of', () => {
  // Texts as kubectl 1.32 – 1.35 and API servers print them.
  it.each<[string, string, TransportErrorKind, RegExp, RegExp]>([
    [
      'a kubelet that is gone; its address would bring the whole script along',
      'Error from server: error when dialing: error sending request: Post "https://10.213.0.2:10250/exec/factory/factory-worker-1-x/worker?command=bash&command=set+-uo": dial tcp 10.213.0.2:10250: connect: connection refused\n',
      'node-unreachable',
      /worker": dial tcp 10.213.0.2:10250: connect: connection refused$/,
      /its node does not answer.*get nodes/,
    ],
    [
      'the same, read by kubectl logs',
      'Error from server: Get "https://10.213.0.2:10250/containerLogs/factory/factory-worker-1-x/worker?tailLines=100": dial tcp 10.213.0.2:10250: connect: connection refused\n',
      'node-unreachable',
      /containerLogs/,
      /its node does not answer.*get nodes/,
    ],
    [
      'a containerd that is stopped: the kubelet answers in its place',
      'error: unable to upgrade connection: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"\n',
      'node-unreachable',
      /containerd\.sock/,
      /container runtime of its node does not answer.*get nodes.*restart the runtime/,
    ],
    [
      'a containerd whose socket is gone',
      'error: unable to upgrade connection: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory"\n',
      'node-unreachable',
      /containerd\.sock/,
      /container runtime/,
    ],
    [
      'a context nobody knows',
      'error: context "do-nyc1-factory" does not exist\n',
      'missing',
      /context "do-nyc1-factory" does not exist/,
      /kubectl config get-contexts/,
    ],
    [
      'the same, in the words of kubectl get',
      'Error in configuration: context was not found for specified context: do-nyc1-factory\n',
      'missing',
      /context was not found/,
      /kubectl config get-contexts/,
    ],
    [
      'a kubeconfig that is not there',
      'error: stat /home/me/nope: no such file or directory\n',
      'missing',
      /no such file/,
      /kubeconfig/,
    ],
    [
      'a kubeconfig that is none',
      'error: error loading config file "bad": couldn\'t get version/kind; json parse error: json: cannot unmarshal string\n',
      'missing',
      /error loading config file/,
      /kubeconfig/,
    ],
    [
      'list is forbidden',
      'Error from server (Forbidden): pods is forbidden: User "ci" cannot list resource "pods" in API group "" in the namespace "factory"\n',
      'forbidden',
      /User "ci" cannot list/,
      /verb list on pods in namespace factory/,
    ],
    [
      'exec is forbidden',
      'Error from server (Forbidden): pods "factory-worker-1-x" is forbidden: User "ci" cannot create resource "pods/exec" in API group "" in the namespace "factory"\n',
      'forbidden',
      /pods\/exec/,
      /verb create on pods\/exec/,
    ],
    [
      'an admission plugin refuses',
      'Error from server (Forbidden): exec is forbidden by policy\n',
      'forbidden',
      /by policy/,
      /auth can-i --list/,
    ],
    ...[
      'exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
      'failed quota: cpu: must specify limits.cpu for: check',
      '[minimum cpu usage per Container is 50m, but request is 10m, maximum memory usage per Container is 512Mi, but limit is 1Gi]',
    ].map((why): [string, string, TransportErrorKind, RegExp, RegExp] => [
      `a rule of the namespace refuses: ${why}`,
      `Error from server (Forbidden): error when creating "STDIN": pods "x" is forbidden: ${why}\n`,
      'forbidden',
      /is forbidden/,
      /-n factory describe resourcequotas,limitranges$/,
    ]),
    [
      'Pod Security refuses',
      'Error from server (Forbidden): error when creating "STDIN": pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true\n',
      'forbidden',
      /violates PodSecurity/,
      /get namespace factory --show-labels$/,
    ],
    ['refused without a word', 'Error from server (Forbidden): unknown\n', 'forbidden', /unknown/, /can-i/],
    [
      'a token that ran out',
      'error: You must be logged in to the server (Unauthorized)\n',
      'unauthorized',
      /logged in/,
      /log in to the cluster again/,
    ],
    [
      'a credential the server does not accept',
      'error: You must be logged in to the server (the server has asked for the client to provide credentials)\n',
      'unauthorized',
      /provide credentials/,
      /kubectl --context do-nyc1-factory version/,
    ],
    [
      'a credential plugin that is not installed',
      `${KLOG_PLUGIN.repeat(5)}Unable to connect to the server: getting credentials: exec: executable doctl not found\n\nIt looks like you are trying to use a client-go credential plugin that is not installed.\n`,
      'unauthorized',
      /: Unable to connect to the server: getting credentials: exec: executable doctl not found/,
      /log in/,
    ],
    [
      'no such namespace',
      'Error from server (NotFound): namespaces "factory" not found\n',
      'missing',
      /namespaces "factory" not found/,
      /get namespaces/,
    ],
    [
      'a pod that went away',
      'Error from server (NotFound): pods "factory-worker-1-x" not found\n',
      'not-running',
      /not found/,
      /-n factory get pods/,
    ],
    [
      'a pod the kubelet has forgotten',
      'error: unable to upgrade connection: pod does not exist\n',
      'not-running',
      /pod does not exist/,
      /get pods/,
    ],
    [
      'a container that does not run',
      'error: unable to upgrade connection: container not found ("worker")\n',
      'not-running',
      /container not found/,
      /get pods/,
    ],
    [
      'a pod that has ended',
      'error: cannot exec into a container in a completed pod; current phase is Failed\n',
      'not-running',
      /current phase is Failed/,
      /get pods/,
    ],
    [
      'a container of another name',
      'Error from server (BadRequest): container wroker is not valid for pod factory-worker-1-x\n',
      'missing',
      /container wroker is not valid/,
      /workers\.yaml/,
    ],
    [
      'the same, found by kubectl itself',
      'error: container wroker not found in pod factory-worker-1-x\n',
      'missing',
      /wroker/,
      /workers\.yaml/,
    ],
    ['an image without timeout', OCI, 'program', /"timeout"/, /factory-worker image/],
    [
      'the same, as containerd 2 has it',
      OCI.replace(': unknown', ''),
      'program',
      /"timeout"/,
      /factory-worker image/,
    ],
    [
      'an image without bash where it is looked for, as containerd 2 has it',
      OCI.replace(/"timeout".*/, '"/bin/bash": stat /bin/bash: no such file or directory'),
      'program',
      /\/bin\/bash/,
      /factory-worker image/,
    ],
    [
      'an API server that is down',
      `${KLOG_REFUSED.repeat(5)}The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n`,
      'unreachable',
      /factory\): The connection to the server 127\.0\.0\.1:1 was refused/,
      /get --raw \/readyz/,
    ],
    [
      'a name nobody resolves',
      'Unable to connect to the server: dial tcp: lookup api.example.invalid on 10.0.0.2:53: no such host\n',
      'unreachable',
      /no such host/,
      /VPN/,
    ],
    [
      'a network that swallows packets',
      'Unable to connect to the server: net/http: TLS handshake timeout\n',
      'unreachable',
      /TLS handshake timeout/,
      /readyz/,
    ],
    [
      'its own time limit',
      'Error from server: Get "https://10.0.0.1:6443/api/v1/namespaces/factory/pods": context deadline exceeded\n',
      'unreachable',
      /deadline exceeded/,
      /readyz/,
    ],
    [
      'a certificate of another cluster',
      'Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority\n',
      'unreachable',
      /x509/,
      /readyz/,
    ],
    [
      'a kubelet that is down',
      'Error from server: error dialing backend: dial tcp 10.0.3.123:10250: i/o timeout\n',
      'node-unreachable',
      /10250/,
      /its node does not answer/,
    ],
    ['a stream that was cut', 'error: unexpected EOF\n', 'broken', /unexpected EOF/, /^$/],
    [
      'a stream that was cut, on a cluster whose metrics are down',
      `${KLOG_METRICS}error: unexpected EOF\n`,
      'broken',
      /: unexpected EOF$/,
      /^$/,
    ],
    [
      'a pod that went away, on such a cluster',
      `${KLOG_METRICS}Error from server (NotFound): pods "factory-worker-1-x" not found\n`,
      'not-running',
      /not found/,
      /get pods/,
    ],
    ['nothing but log lines', KLOG_REFUSED, 'unreachable', /said nothing/, /readyz/],
  ])('%s', (_, stderr, kind, message, hint) => {
    const error = kubectlError(failed(stderr), worker, 'list the pods of');
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(
      /^cannot list the pods of worker-1 \(context do-nyc1-factory, namespace factory\): /,
    );
    expect(error.message).toMatch(message);
    expect(error.hints.join('\n')).toMatch(hint);
    expect(error.exitCode).toBe(1);
  });

  // What a dispatch goes by: of what never began nothing can have been queued.
  it.each<[boolean, string]>([
    [true, 'Error from server: error dialing backend: dial tcp 10.0.3.123:10250: i/o timeout\n'],
    [true, 'Error from server: error dialing backend: net/http: TLS handshake timeout\n'],
    [
      true,
      'Error from server: error when dialing: error sending request: Post "https://10.0.3.123:10250/exec/f/p/worker?command=bash": dial tcp 10.0.3.123:10250: connect: connection refused\n',
    ],
    [
      true,
      'error: unable to upgrade connection: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"\n',
    ],
    [
      false,
      'error: unable to upgrade connection: rpc error: code = Unavailable desc = error reading from server: EOF\n',
    ],
    [
      true,
      'The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n',
    ],
    [
      true,
      'Unable to connect to the server: dial tcp: lookup api.example.invalid on 10.0.0.2:53: no such host\n',
    ],
    [
      false,
      'Error from server: error sending request: Post "https://10.0.3.123:10250/exec/f/p/worker?command=bash": EOF\n',
    ],
    [false, 'Unable to connect to the server: net/http: TLS handshake timeout\n'],
    [false, 'error: unexpected EOF\n'],
    // The log line is of another call than the one that failed.
    [false, `${KLOG_REFUSED}error: unexpected EOF\n`],
  ])('never began: %s, %s', (neverBegan, stderr) => {
    expect(kubectlError(failed(stderr), worker, 'run a command in').neverBegan).toBe(neverBegan);
  });

  it('kubectl itself is missing', () => {
    const error = kubectlError(
      failed('bash: line 1: exec: kubectl: not found', { code: 127 }),
      worker,
      'reach',
    );
    expect(error).toMatchObject({
      kind: 'program',
      exitCode: 127,
      message: 'kubectl is not installed, or not on PATH',
    });
    expect(error.hints.join()).toContain('KUBECTL');
  });

  it('kubectl is no program', () => {
    const error = kubectlError(
      failed('bash: line 1: /etc/passwd: Permission denied', { code: 126 }),
      worker,
      'reach',
    );
    expect(error).toMatchObject({
      kind: 'program',
      exitCode: 127,
      message: 'kubectl is not a program that can be run',
    });
  });

  it('127 of the worker is not a kubectl that is missing here', () => {
    const stderr =
      "timeout: failed to run command 'bash': No such file or directory\ncommand terminated with exit code 127\n";
    const error = kubectlError(failed(stderr, { code: 127 }), worker, 'run a command in');
    expect(error).toMatchObject({ kind: 'program', exitCode: 1 });
    expect(error.message).toContain("failed to run command 'bash'");
    expect(error.hints.join()).toContain('factory-worker image');
  });

  it('no answer in time', () => {
    const error = kubectlError(failed(KLOG_REFUSED, { code: 143, timedOut: true }), worker, 'reach');
    expect(error).toMatchObject({ kind: 'unreachable', exitCode: 124 });
    expect(error.hints.join()).toContain('--timeout');
  });

  it.each([
    ['nothing', KLOG_REFUSED, ''],
    [
      'the page of a login',
      `${KLOG_METRICS}To sign in, open https://login.example.org/device?user_code=AB-CD&x=1\n`,
      '; its last output: To sign in, open https://login.example.org/device?user_code=AB-CD&x=1',
    ],
    ['much', 'one\ntwo\nthree\nfour\n', '; its last output: two / three / four'],
    ['a long line', `${'x'.repeat(5000)}\n`, `; its last output: ${'x'.repeat(300)}`],
    ['what a terminal obeys', 'open\u001b[2J the \u009b1mpage\r\n', '; its last output: open the page'],
  ])('no answer in time, from a program that had said %s', (_, stderr, said) => {
    const { message } = kubectlError(failed(stderr, { code: 143, timedOut: true }), worker, 'reach');
    expect(message).toBe(
      `cannot reach worker-1 (context do-nyc1-factory, namespace factory): no answer in time${said}`,
    );
    const helm = helmError(failed(stderr, { code: 143, timedOut: true }), worker, 'status');
    expect(helm.message).toBe(`helm status for worker-1: no answer in time${said}`);
  });
});

describe('kubectl’s own words', () => {
  it.each([
    ['Error from server (NotFound): pods "x" not found\n', 'pods "x" not found'],
    ['error: unexpected EOF\ncommand terminated with exit code 137\n', 'unexpected EOF'],
    ['Warning: v1 Endpoints is deprecated\n', ''],
    [`${KLOG_PLUGIN}W0101 00:00:00.000000 1 x.go:1] y\nUnable to connect\n`, 'Unable to connect'],
    ['', ''],
    ['first\n\nsecond\n', 'first\nsecond'],
    [`${KUBERC}Error from server (NotFound): pods "x" not found\n`, 'pods "x" not found'],
    [`${KUBERC}error: unexpected EOF\n`, 'unexpected EOF'],
    [KUBERC, ''],
  ])('%j are %j', (stderr, message) => {
    expect(kubectlMessage(stderr)).toBe(message);
  });
});

describe('a command line in a hint', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hints-'));
    mkdirSync(join(folder, 'bin'));
    for (const program of ['kubectl', 'helm']) symlinkSync('/bin/echo', join(folder, 'bin', program));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const odd = {
    ...worker,
    context: 'a; touch context',
    namespace: '$(touch namespace)',
    pod: 'p`touch pod`',
    kubeconfig: "it's here & touch file",
  };
  /** Pastes a line. @returns what the program got, as one text */
  const paste = (line: string) =>
    execFileSync('bash', ['-c', line], {
      cwd: folder,
      env: { PATH: `${join(folder, 'bin')}:${process.env['PATH']}` },
      encoding: 'utf8',
      // Of a socket, as Node makes one, bash believes that it is a remote login, and reads ~/.bashrc.
      stdio: ['ignore', 'pipe', 'inherit'],
    }).trim();

  it.each([
    ['kubectlCommand', kubectlCommand(odd, 'get', 'node', 'n; touch node')],
    ['kubectlInNamespace', kubectlInNamespace(odd, 'describe', 'pod', odd.pod)],
    ['helmCommand', helmCommand(odd, 'rollback', 'r; touch release')],
    ['setValueCommand', setValueCommand(odd, 'image.tag=x; touch value')],
  ])('is one command when it is pasted, whatever the worker is called: %s', (_, line) => {
    expect(paste(line)).toContain(odd.context);
    expect(readdirSync(folder)).toEqual(['bin']);
  });

  it('of a kubectl that failed is quoted as well', () => {
    const errors = [
      failed('Unauthorized'),
      failed('no such host'),
      failed('', { timedOut: true, code: 143 }),
    ];
    for (const error of errors.map((result) => kubectlError(result, odd, 'reach'))) {
      expect(error.hints.join('\n')).toContain("--context 'a; touch context'");
    }
  });

  it('is put together word by word everywhere: no text has a value after the verb of kubectl or helm', () => {
    const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));
    const byHand = readdirSync(scripts, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => {
        const text = readFileSync(join(scripts, path), 'utf8');
        return [...text.matchAll(/\b(?:kubectl|helm) (?!ended)(?:-|[a-z]+ )[^`\n]*\$\{.*/g)].map(
          ([line]) => `${path}: ${line}`,
        );
      });
    expect(byHand).toEqual([]);
  });
});

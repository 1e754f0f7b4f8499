/** The effects of `provision`: observes, shows the plan, and carries it out. */

import type { Context } from '../cli/command.ts';
import { CliError, ExitCode, UsageError } from '../cli/errors.ts';
import { confirm } from '../cli/prompt.ts';
import { entering, readWorkers, writeChange } from '../config/enter.ts';
import { mistakesInFields } from '../config/parse-workers.ts';
import { expandHome, homeOf, shortPath } from '../config/paths.ts';
import type { ClusterWorker } from '../config/worker-entry.ts';
import { lift } from '../drain/resting.ts';
import { admits, type Level, labelArgs } from '../health/namespace.ts';
import { chartPath, findHelm, type Helm } from '../helm/helm.ts';
import { manifestChanges } from '../helm/manifest-diff.ts';
import { helmCommand } from '../helm/set-value.ts';
import { healthOf } from '../lifecycle/look.ts';
import { waitReady } from '../lifecycle/pod-wait.ts';
import { createTools } from '../lifecycle/tools.ts';
import { agree, answer, changes, runSteps, silently } from '../plan.ts';
import { readSecret, withTokens, writeSecret } from '../secret/secret.ts';
import {
  askTokens,
  givenTokens,
  hideTokens,
  type Token,
  type TokenFlagValues,
  withoutStrayUrl,
} from '../secret/tokens.ts';
import { openConnections } from '../transport/connections.ts';
import { type Cluster, clusterOf, kubectl } from '../transport/kubectl.ts';
import { kubectlCommand, kubectlError } from '../transport/kubectl-errors.ts';
import {
  create,
  type Effect,
  expectSeen,
  getOrNull,
  presenceOf,
  unlessForbidden,
} from '../transport/objects.ts';
import { readAnswer } from '../transport/read-answer.ts';
import { contextToUse, fullName } from '../worker/find-worker.ts';
import { readManifest } from './manifest.ts';
import { observeCluster } from './observe.ts';
import {
  howToGive,
  isInstalled,
  levelOf,
  missingKeys,
  type ProvisionRequest,
  type ProvisionState,
  planProvision,
  upgradeWith,
} from './plan.ts';
import { readLogin } from './registry-login.ts';

/** The arguments of the command. */
export interface ProvisionArguments {
  readonly name: string;
  readonly context: string | undefined;
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  /** Path of workers.yaml. */
  readonly workersPath: string;
  /** Files for `--values`; `-` is stdin. */
  readonly values: readonly string[];
  readonly set: readonly string[];
  readonly tokens: TokenFlagValues;
  readonly noSecret: boolean;
  readonly pullSecretFile: string | undefined;
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/** The Secret for a registry's login when the values name none. */
const PULL_SECRET = 'factory-registry';

export async function provisionWorker(given: ProvisionArguments, context: Context): Promise<number> {
  const { name, timeoutMs } = given;
  const { env, stderr, commandLine } = context;
  refuseSecretsInArgv(given.set);
  const tokens = await givenTokens(given.tokens, env);
  hideTokens(tokens, context);
  const file = await readWorkers(given.workersPath, env);
  const known = file.workers.find((entry) => entry.name === name);
  if (known?.runtime === 'local') {
    throw new UsageError(
      `${name} is a worker on this machine`,
      `start it: ${commandLine('local', 'up', name)}`,
    );
  }
  const worker = await placeOf(given, known, context);
  openConnections(context, [worker]);
  const cluster = clusterOf(context, timeoutMs);
  const helm = await findHelm(context);
  const stdin = given.values.includes('-') ? await readAll(context.stdin) : undefined;
  const rendered = await render(helm, cluster, worker, given, stdin);
  const { manifest, valueArgs } = rendered;
  let brought = readManifest(manifest);
  let inCluster = await observeCluster(cluster, helm, worker, brought);
  // An installed release keeps the values it was installed with, so its objects are looked up under those names.
  const own = isInstalled(inCluster.release) ? await helm.manifest({ name, worker }) : null;
  if (own !== null) {
    brought = readManifest(own);
    inCluster = await observeCluster(cluster, helm, worker, brought);
  }
  const asGiven = given.values.length + given.set.length > 0;
  // Of a pending release Helm renders no upgrade, and the plan refuses it.
  const upgraded =
    own !== null && asGiven && inCluster.release?.pending === false
      ? await renderUpgrade(helm, worker, valueArgs, stdin)
      : null;
  const entry = known === undefined ? entering(file, worker, env) : null;
  const seen: ProvisionState = {
    ...inCluster,
    now: context.now(),
    drift: own !== null && upgraded !== null ? manifestChanges(own, upgraded, []) : [],
    asked: own === null ? brought.asked : upgraded === null ? null : readManifest(upgraded).asked,
    entry: {
      there: entry === null,
      path: shortPath(file.path, homeOf(env)),
      diff: entry?.diff ?? '',
    },
  };
  const request: ProvisionRequest = {
    worker,
    brought,
    tokens: brought.inlineSecret ? [] : withoutStrayUrl(tokens, brought.database === 'url'),
    noSecret: given.noSecret,
    loginFile: given.pullSecretFile ?? null,
    valueArgs,
    valuesInput: stdin,
    chart: chartPath(),
  };
  const missing = missingKeys(seen, request);
  if (missing.length > 0 && !context.interactive && !given.dryRun) {
    throw new UsageError(
      `${missing.join(', ')}: not given, and there is no terminal to ask on`,
      ...howToGive(missing),
    );
  }

  const say = (what: string) => stderr.write(`${name}: ${what}\n`);
  let health = { status: 'running', problems: [] as readonly string[] };
  // Secret values are asked for and read only once the operator agrees to the plan.
  let tokensToWrite: readonly Token[] = [];
  let login = '';
  const tools = createTools(helm, cluster, worker, context);
  const planned = planProvision(seen, request, tools, {
    labelled: silently(() => expectLabels(cluster, worker, levelOf(brought))),
    secret: silently(async () => {
      if (tokensToWrite.length > 0) await putSecret(cluster, worker, brought.secret ?? '', tokensToWrite);
    }),
    pullSecret: async (secret) => {
      await create(cluster, worker, loginObject(secret, login));
      return undefined;
    },
    entry: silently(async () => {
      if (entry !== null) await writeChange(entry);
    }),
    wait: async () => {
      if (brought.replicas === 0) {
        await expectSeen(installed(cluster, worker), cluster);
        return 'skipped: replicas is 0';
      }
      await waitReady(
        cluster,
        worker,
        given.waitMs,
        [`why it takes so long: ${commandLine('why', name)}`],
        say,
      );
      return 'Ready';
    },
    resume: () => (brought.replicas === 0 ? Promise.resolve(undefined) : lift(worker, context, timeoutMs)),
    health: silently(async () => {
      health = await healthOf(worker, context, timeoutMs);
    }),
  });
  const asked = {
    worker,
    dryRun: given.dryRun,
    json: given.json,
    show: true,
    ask:
      planned.kind === 'go' && changes(planned.steps)
        ? () => confirm(context, `Do this in ${worker.context}?`, given.yes)
        : null,
    status: 'running',
  };
  const plan = await agree(planned, asked, context);
  if (typeof plan === 'number') return plan;
  tokensToWrite = [...request.tokens, ...(await askTokens(missing, context))];
  hideTokens(tokensToWrite, context);
  if (given.pullSecretFile !== undefined && [...seen.pullSecrets.values()].includes(false)) {
    login = await readLogin(expandHome(given.pullSecretFile, homeOf(env)), brought.image);
  }
  const again = () => commandLine('provision', name, ...againArgs(given));
  await runSteps(plan.steps, again, context);
  const sentence = changes(plan.steps)
    ? `${name} is there, and ${health.status}`
    : `${name} was there already; nothing was changed. It is ${health.status}`;
  answer(asked, plan, { status: health.status, sentence, next: health.problems }, context);
  return ExitCode.ok;
}

/** Every user of the machine can read an argv, and shells keep it in their history. */
function refuseSecretsInArgv(set: readonly string[]): void {
  const found = set.flatMap((text) => /secrets\.inline\.(\w+)=/.exec(text)?.[1] ?? []);
  if (found.length === 0) return;
  throw new UsageError(
    `${found.join(', ')} would be visible in the argv with --set`,
    'give a file instead: --token-file, --gh-token-file, --secrets-file (or --from-env)',
  );
}

/** Where to install the worker: from the flags, else workers.yaml, else the current context and the namespace factory. */
async function placeOf(
  given: ProvisionArguments,
  known: ClusterWorker | undefined,
  context: Context,
): Promise<ClusterWorker> {
  const { name } = given;
  const { env } = context;
  const pod = fullName(name);
  const kubeconfig =
    given.kubeconfig === undefined ? known?.kubeconfig : expandHome(given.kubeconfig, homeOf(env));
  const worker: ClusterWorker = {
    runtime: 'kubernetes',
    name,
    pod,
    namespace: given.namespace ?? known?.namespace ?? 'factory',
    context: given.context ?? known?.context ?? (await contextToUse(kubeconfig, given.timeoutMs, context)),
    ...(known?.container === undefined ? {} : { container: known.container }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
  const mistakes = mistakesInFields({ name, pod, namespace: worker.namespace, context: worker.context });
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || `${pod}-secrets`.length > 63) {
    mistakes.unshift(
      `name: "${name}" is not a valid name for a release: lower-case letters, digits and "-", at most ${pod === name ? 53 : 47} of them`,
    );
  }
  if (mistakes.length > 0) throw new UsageError(mistakes.join('; '));
  if (known === undefined) return worker;
  const differs = (['pod', 'namespace', 'context'] as const).filter(
    (field) => known[field] !== worker[field],
  );
  if (differs.length > 0) {
    const is = differs.map((field) => `${field} ${known[field]}`).join(', ');
    throw new CliError(`the name ${name} is in use: in workers.yaml it is a worker with ${is}`, {
      hints: [
        `use another name, or first: ${context.commandLine('workers', 'remove', name)}`,
        `that worker: ${context.commandLine('workers', 'show', name)}`,
      ],
    });
  }
  return worker;
}

interface Rendered {
  readonly manifest: string;
  readonly valueArgs: readonly string[];
}

/** Renders the chart with the values, for this cluster's version; adds the given login when the values name none. */
async function render(
  helm: Helm,
  cluster: Cluster,
  worker: ClusterWorker,
  { values, set, pullSecretFile }: ProvisionArguments,
  stdin: string | undefined,
): Promise<Rendered> {
  const version = await serverVersion(cluster, worker);
  const home = homeOf(cluster.env);
  const valueArgs = [
    ...values.map((file) => `--values=${file === '-' ? file : expandHome(file, home)}`),
    ...set.map((assignment) => `--set=${assignment}`),
  ];
  const template = (args: readonly string[]) =>
    helm.call(
      { name: worker.name, worker },
      // Without it, a Helm built with `go install` assumes Kubernetes 1.20 for every cluster.
      ['template', worker.name, chartPath(), `--kube-version=${version}`, ...args],
      stdin,
    );
  const manifest = await template(valueArgs);
  if (pullSecretFile === undefined || readManifest(manifest).pullSecrets.length > 0) {
    return { manifest, valueArgs };
  }
  const named = [...valueArgs, `--set=imagePullSecrets={${PULL_SECRET}}`];
  return { manifest: await template(named), valueArgs: named };
}

async function serverVersion(cluster: Cluster, worker: ClusterWorker): Promise<string> {
  const result = await kubectl(cluster, worker, ['version', '--output=json']);
  const { serverVersion: server } = readAnswer<{ serverVersion?: { gitVersion?: string } }>(
    'versions',
    worker.name,
    result.stdout.toString('utf8') || '{}',
  );
  if (result.code !== 0 || server?.gitVersion === undefined) {
    throw kubectlError(result, worker, 'reach the cluster for');
  }
  return server.gitVersion;
}

/** The manifest that an upgrade with these values would apply: what was given before stays. */
async function renderUpgrade(
  helm: Helm,
  worker: ClusterWorker,
  valueArgs: readonly string[],
  stdin: string | undefined,
): Promise<string> {
  const args = [...upgradeWith(worker, chartPath(), valueArgs), '--dry-run=server', '--output=json'];
  const text = await helm.call({ name: worker.name, worker }, args, stdin);
  return readAnswer<{ manifest: string }>('helm-render', worker.name, text).manifest;
}

async function expectLabels(cluster: Cluster, worker: ClusterWorker, level: Level): Promise<void> {
  const { namespace } = worker;
  const look = async () => {
    const found = await getOrNull<{ metadata: { labels?: Record<string, string> } }>(
      cluster,
      worker,
      'namespace',
      namespace,
    );
    return admits(found?.metadata.labels ?? {}, level) ? null : `it does not admit ${level} pods`;
  };
  await expectSeen(
    {
      failed: `the namespace ${namespace} was not labelled`,
      by: 'kubectl',
      look: () => unlessForbidden(look),
      hints: [kubectlCommand(worker, ...labelArgs(namespace, level))],
    },
    cluster,
  );
}

/**
 * Created, or read and replaced with the other keys unchanged; never applied: `kubectl apply` would keep a copy of the tokens
 * in an annotation, where a rotated token would survive. (Nor patched: kubectl opens a patch file by its name, and stdin has
 * none when it is a socket, as under Node.)
 */
async function putSecret(
  cluster: Cluster,
  worker: ClusterWorker,
  name: string,
  tokens: readonly Token[],
): Promise<void> {
  await writeSecret(cluster, worker, withTokens(await readSecret(cluster, worker, name), name, tokens));
}

/** Fails earlier than waiting for the pod would. */
function installed(cluster: Cluster, worker: ClusterWorker): Effect {
  return {
    failed: `release ${worker.name} was not installed`,
    by: 'helm',
    look: async () =>
      (await presenceOf(cluster, worker, 'deployment', worker.pod)) === 'there'
        ? null
        : `there is no Deployment ${worker.pod}`,
    hints: [`what there is: ${helmCommand(worker, 'list', '--all')}`],
  };
}

function loginObject(name: string, config: string) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': config },
  };
}

/** The arguments for typing the command again: names of files, never their content. Sticky flags are added by `commandLine`. */
export function againArgs({
  values,
  set,
  tokens,
  noSecret,
  pullSecretFile,
}: Pick<ProvisionArguments, 'values' | 'set' | 'tokens' | 'noSecret' | 'pullSecretFile'>): string[] {
  const named = [
    'token-file',
    'gh-token-file',
    'gh-user',
    'ssh-key-file',
    'database-url-file',
    'secrets-file',
  ] as const;
  const option = (flag: string, value: string | undefined) =>
    value === undefined ? [] : [`--${flag}`, value];
  return [
    ...values.flatMap((file) => ['--values', file]),
    ...set.flatMap((assignment) => ['--set', assignment]),
    ...named.flatMap((flag) => option(flag, tokens[flag])),
    ...(tokens['from-env'] ? ['--from-env'] : []),
    ...(noSecret ? ['--no-secret'] : []),
    ...option('pull-secret-file', pullSecretFile),
  ];
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

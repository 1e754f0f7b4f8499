/**
 * What is left to do to install a worker: compares what the chart would install with what the cluster has. After an
 * interrupted run the command is run again: existing parts are reported and skipped. Pure.
 */
import type { ClusterWorker } from '../config/worker-entry.ts';
import { admits, type Level, labelArgs, securityLabels } from '../health/namespace.ts';
import type { ReleaseState } from '../lifecycle/look.ts';
import { healthStep, isAtWork, isHalfInstalled, pendingRefusal, readyStep } from '../lifecycle/replicas.ts';
import type { Tools } from '../lifecycle/tools.ts';
import {
  type Action,
  action,
  type CommandLines,
  type Plan,
  type Refusal,
  type Run,
  refuse,
  type Step,
  step,
} from '../plan.ts';
import { UNSHOWN, writeArgs } from '../secret/secret.ts';
import { FLAG_OF, type Key, NEEDED_KEYS, type Token } from '../secret/tokens.ts';
import { CREATE_ARGS } from '../transport/objects.ts';
import { type ClaimSpec, type Unchangeable, unchangeable } from './claim.ts';
import type { Brought } from './manifest.ts';

/**
 * - `namespace` create it, or add the Pod Security labels that the worker's pod needs
 * - `secret` create the Secret with its tokens
 * - `pull-secret` create the Secret with the registry's login
 * - `clear` remove what a killed installation left of the release (never the volume)
 * - `volume` shown only: reused, or created by the release
 * - `release` run `helm install`
 * - `entry` add it to workers.yaml
 * - `wait` wait until its pod is Ready
 * - `resume` lift the drain that a stop or retire left on the volume
 * - `health` report its status
 */
export type ProvisionStep =
  | 'namespace'
  | 'secret'
  | 'pull-secret'
  | 'clear'
  | 'volume'
  | 'release'
  | 'entry'
  | 'wait'
  | 'resume'
  | 'health';

/** What `provision` does itself, or after a call of kubectl to check its effect. */
export type ProvisionActions = Readonly<
  Record<'labelled' | 'secret' | 'entry' | 'wait' | 'resume' | 'health', Run>
> & {
  /** Creates the Secret of that name with the registry's login. */
  readonly pullSecret: (name: string) => Promise<string | undefined>;
};

export type NamespaceState =
  | { readonly state: 'missing' }
  | { readonly state: 'deleting'; readonly since: string }
  | { readonly state: 'there'; readonly labels: Readonly<Record<string, string>> }
  /** The operator may not read it. */
  | { readonly state: 'unknown'; readonly why: string };

/** The release that an object names as its owner; null for none. */
export interface ObjectOwner {
  readonly release: string | null;
  readonly namespace: string | null;
}

export interface ClaimState extends ClaimSpec {
  readonly owner: ObjectOwner;
  readonly phase: string;
  readonly since: string;
  readonly deleting: boolean;
}

/** What exists in the cluster. */
export interface ClusterState {
  readonly namespace: NamespaceState;
  readonly release: ReleaseState | null;
  /** The Deployment with the worker's name; null when there is none. */
  readonly deployment: ObjectOwner | null;
  readonly ready: boolean;
  /** Keys that have a value; null when there is no such Secret. */
  readonly secretKeys: readonly string[] | null;
  readonly pullSecrets: ReadonlyMap<string, boolean>;
  readonly claim: ClaimState | null;
}

/** A release of this chart that has been deployed. */
export type InstalledRelease = ReleaseState & { readonly lastDeployed: number };

export function isInstalled(release: ReleaseState | null): release is InstalledRelease {
  if (release === null || !release.ours) return false;
  return release.lastDeployed !== null && !isHalfInstalled(release);
}

/** The same, and what exists on this machine. */
export interface ProvisionState extends ClusterState {
  readonly now: Date;
  /** Lines of an installed release's manifest that an upgrade with the values given now would change. */
  readonly drift: readonly string[];
  /** What that upgrade, or the installation, asks of the worker's claim; null when it asks nothing. */
  readonly asked: ClaimSpec | null;
  /** The entry in workers.yaml: present, or the change that adds it. */
  readonly entry: { readonly there: boolean; readonly path: string; readonly diff: string };
}

export interface ProvisionRequest {
  readonly worker: ClusterWorker;
  readonly brought: Brought;
  readonly tokens: readonly Token[];
  /** Install without tokens: the worker reports that, and uses them once they are there. */
  readonly noSecret: boolean;
  /** The Docker configuration with the registry's login; null when none was given. */
  readonly loginFile: string | null;
  /** Arguments of `helm install` after the chart: `--values` and `--set`. */
  readonly valueArgs: readonly string[];
  /** The content of stdin, where one of the files is `-`. */
  readonly valuesInput?: string | undefined;
  readonly chart: string;
}

/** Keys to ask for: neither given nor present. */
export function missingKeys(
  seen: Pick<ProvisionState, 'secretKeys'>,
  { brought, tokens, noSecret }: ProvisionRequest,
): Key[] {
  if (noSecret || brought.inlineSecret || brought.secret === null) return [];
  const known = new Set<string>([...(seen.secretKeys ?? []), ...tokens.map(({ key }) => key)]);
  const needed: readonly Key[] = brought.database === 'url' ? [...NEEDED_KEYS, 'DATABASE_URL'] : NEEDED_KEYS;
  return needed.filter((key) => !known.has(key));
}

export function planProvision(
  seen: ProvisionState,
  request: ProvisionRequest,
  tools: Tools,
  act: ProvisionActions,
): Plan<Step<ProvisionStep>> {
  const refusal = refusalOf(seen, request, tools);
  if (refusal !== null) return refusal;
  const { name, pod } = request.worker;
  const steps: Step<ProvisionStep>[] = [
    namespaceStep(seen, request, tools, act.labelled),
    ...secretStep(seen, request, tools, act.secret),
    ...pullSecretSteps(seen, request, tools, act.pullSecret),
    ...releaseSteps(seen, request, tools),
    entryStep(seen, request, tools, act.entry),
  ];
  if (!seen.ready) steps.push(readyStep(pod, tools, act.wait));
  if (!seen.ready && seen.claim !== null) {
    const what = 'lifts the drain of a stop or retire, if the volume has one';
    steps.push(step('resume', '·', what, action(act.resume, tools.ours('resume', name))));
  }
  steps.push(healthStep(name, tools, act.health));
  return { kind: 'go', steps, notes: notesOn(seen, request, tools) };
}

function refusalOf(seen: ProvisionState, request: ProvisionRequest, lines: CommandLines): Refusal | null {
  const { worker, brought } = request;
  const { namespace, release, deployment, claim } = seen;
  if (namespace.state === 'deleting') {
    return refuse(
      `namespace ${worker.namespace} has been terminating since ${namespace.since}`,
      `what blocks it: ${lines.kubectl('get', 'namespace', worker.namespace, '--output=yaml')}`,
    );
  }
  if (release !== null && !release.ours) {
    return refuse(
      `the name ${worker.name} is in use: a release of the chart ${release.revision.chart} has it in namespace ${worker.namespace}`,
      'use another name, or another namespace: --namespace NAME',
    );
  }
  if (release !== null && isAtWork(release, seen.now)) return pendingRefusal(release, lines);
  if (release === null && deployment !== null) {
    const owner = deployment.release === null ? 'no release' : `the release ${deployment.release}`;
    return refuse(
      `the name ${worker.name} is in use: there is a Deployment ${worker.pod} in namespace ${worker.namespace}, of ${owner}`,
      `if it is the worker you mean: ${lines.ours('workers', 'add', worker.name, '--pod', worker.pod, '--namespace', worker.namespace, '--context', worker.context)}`,
      'else use another name, or another namespace: --namespace NAME',
    );
  }
  if (claim?.deleting) {
    return refuse(
      `the volume ${brought.claim} is being deleted`,
      `what blocks it: ${lines.kubectl('describe', 'persistentvolumeclaim', brought.claim ?? '')}`,
    );
  }
  if (claim?.phase === 'Lost') {
    return refuse(
      `the claim ${brought.claim} has lost its volume`,
      `to start with a new one: ${lines.kubectl('delete', 'persistentvolumeclaim', brought.claim ?? '')}`,
    );
  }
  if (claim === null && brought.claim !== null && !brought.makesClaim && release === null) {
    return refuse(
      `the values name the volume ${brought.claim}, and namespace ${worker.namespace} has no such claim`,
      `what there is: ${lines.kubectl('get', 'persistentvolumeclaims')}`,
    );
  }
  if (claim !== null && brought.makesClaim && release === null && !isAdoptable(claim, worker)) {
    const owner = claim.owner.release === null ? 'not made by Helm' : `of the release ${claim.owner.release}`;
    return refuse(
      `a volume ${brought.claim} is there already (${claim.size}, of ${claim.since}), ${owner}: Helm does not adopt it`,
      `use it: --set persistence.existingClaim=${brought.claim}`,
      'or use another name for the worker',
    );
  }
  const kept = isInstalled(release) ? [] : keptBy(seen);
  if (kept.length > 0) {
    return refuse(
      `the volume ${brought.claim} is there from before, and Kubernetes does not change it to these values: it has ${kept.map(({ text }) => text).join('; ')}`,
      `take it up as it is: --set ${kept.map(({ keep }) => keep).join(',')}`,
      `or delete it, with its queue and clones, and start with a new one: ${lines.kubectl('delete', 'persistentvolumeclaim', brought.claim ?? '')}`,
    );
  }
  const absent = [...seen.pullSecrets].filter(([, there]) => !there).map(([name]) => name);
  if (absent.length > 0 && request.loginFile === null) {
    return refuse(
      `the values name the registry's login ${absent.join(', ')}, and namespace ${worker.namespace} has no such Secret: the image could not be pulled`,
      'give the login: --pull-secret-file ~/.docker/config.json',
    );
  }
  return null;
}

/** What the claim has and keeps, though other values are asked for. */
function keptBy({ claim, asked }: ProvisionState): Unchangeable[] {
  return claim === null || asked === null ? [] : unchangeable(claim, asked);
}

/** Helm adopts an object whose labels name this release and namespace. */
function isAdoptable({ owner }: ClaimState, worker: ClusterWorker): boolean {
  return owner.release === worker.name && owner.namespace === worker.namespace;
}

function namespaceStep(
  { namespace }: ProvisionState,
  { worker, brought }: ProvisionRequest,
  tools: Tools,
  labelled: Run,
): Step<'namespace'> {
  const level = levelOf(brought);
  const labels = `pod-security.kubernetes.io/{enforce,audit,warn}=${level}`;
  const namespaceIs = (mark: Step['mark'], what: string, ...actions: Action[]) =>
    step('namespace', mark, `${worker.namespace}${what}`, ...actions);
  switch (namespace.state) {
    case 'missing':
      return namespaceIs('+', ` with ${labels}`, tools.create(namespaceObject(worker.namespace, level)));
    case 'there': {
      const admitted = admits(namespace.labels, level);
      // Without a label the cluster's default applies; it admits baseline pods unless an administrator restricted it.
      if (admitted === true || (admitted === null && level === 'baseline')) return namespaceIs('=', '');
      const now = namespace.labels['pod-security.kubernetes.io/enforce'] ?? 'not set';
      return namespaceIs(
        '~',
        ` gets ${labels} (now: ${now}); that admits such pods of all users there`,
        tools.runKubectl(...labelArgs(worker.namespace, level)),
        action(labelled),
      );
    }
    default:
      return namespaceIs('=', ', as far as is known');
  }
}

/** The Pod Security level that the worker's pod needs. */
export function levelOf({ privileged }: Brought): Level {
  return privileged ? 'privileged' : 'baseline';
}

function namespaceObject(name: string, level: Level) {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: securityLabels(level) } };
}

function secretStep(
  seen: ProvisionState,
  request: ProvisionRequest,
  lines: CommandLines,
  write: Run,
): Step<'secret'>[] {
  const { brought, tokens } = request;
  if (brought.secret === null || brought.inlineSecret) return [];
  const missing = missingKeys(seen, request);
  const from = [
    ...tokens.map(({ key, source }) => `${key} (from ${source})`),
    ...missing.map((key) => `${key} (asked for)`),
  ];
  const there = seen.secretKeys;
  if (from.length === 0) {
    const what =
      there === null
        ? `${brought.secret} is not made (--no-secret): the worker says "credentials: missing" until it is there`
        : `${brought.secret}: ${there.join(', ') || 'no keys'}`;
    return [step('secret', there === null ? '·' : '=', what)];
  }
  const typed = `${lines.kubectl(...writeArgs(there === null ? 'create' : 'replace'))}${UNSHOWN}`;
  const what = `${brought.secret}: ${from.join(', ')}`;
  return [step('secret', there === null ? '+' : '~', what, action(write, typed))];
}

function pullSecretSteps(
  seen: ProvisionState,
  { loginFile }: ProvisionRequest,
  lines: CommandLines,
  make: ProvisionActions['pullSecret'],
): Step<'pull-secret'>[] {
  const typed = `${lines.kubectl(...CREATE_ARGS)}${UNSHOWN}`;
  return [...seen.pullSecrets].map(([name, there]) =>
    there
      ? step('pull-secret', '=', name)
      : step(
          'pull-secret',
          '+',
          `${name}: the registry's login from ${loginFile}`,
          action(() => make(name), typed),
        ),
  );
}

function releaseSteps(seen: ProvisionState, request: ProvisionRequest, tools: Tools): Step<ProvisionStep>[] {
  const { worker, brought, chart, valueArgs, valuesInput } = request;
  const { release, claim } = seen;
  const steps: Step<ProvisionStep>[] = [];
  if (isInstalled(release)) return [installedStep(seen, release, request, tools)];
  if (release !== null) {
    const what = `what an interrupted installation of ${release.revision.updated} left (${release.revision.status}); its volume stays`;
    steps.push(step('clear', '-', what, tools.runHelm(['uninstall', release.name])));
  }
  if (brought.claim !== null && claim !== null) {
    const whose = brought.makesClaim ? 'is there from before' : 'is yours';
    const what = `${brought.claim} ${whose} (${claim.size}, of ${claim.since}) and is taken up again, queue and clones included`;
    steps.push(step('volume', '=', what));
  }
  const what = [
    `${worker.name}, image ${brought.image}${brought.privileged ? ', privileged' : ''}`,
    ...brought.objects.map(
      (object) => `${claim !== null && object.endsWith(`/${brought.claim}`) ? '=' : '+'} ${object}`,
    ),
  ].join('\n');
  const install = ['install', worker.name, chart, ...valueArgs];
  steps.push(step('release', '+', what, tools.runHelm(install, valuesInput)));
  return steps;
}

/** An existing release is left as it is. A claim it has lost comes back by applying its own manifest again. */
function installedStep(
  { claim }: ProvisionState,
  { name, revision, lastDeployed }: InstalledRelease,
  { brought }: ProvisionRequest,
  tools: Tools,
): Step<'release'> {
  const what = `${name} (${revision.chart}, revision ${revision.revision}, ${revision.status})`;
  if (!brought.makesClaim || claim !== null) return step('release', '=', what);
  return step(
    'release',
    '~',
    `${what} is applied again: its claim ${brought.claim} is gone, and is created again, empty`,
    tools.runHelm(['rollback', name, String(lastDeployed)]),
  );
}

function entryStep(
  { entry }: ProvisionState,
  { worker }: ProvisionRequest,
  { ours }: CommandLines,
  add: Run,
): Step<'entry'> {
  if (entry.there) return step('entry', '=', `${worker.name} in ${entry.path}`);
  const { name, pod, namespace, context, kubeconfig } = worker;
  const file = kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig];
  const place = ['--pod', pod, '--namespace', namespace, '--context', context, ...file];
  const typed = ours('workers', 'add', name, ...place);
  return step('entry', '+', `${entry.path}\n${entry.diff.trimEnd()}`, action(add, typed));
}

function notesOn(seen: ProvisionState, request: ProvisionRequest, lines: CommandLines): string[] {
  const { worker, brought, chart, valueArgs } = request;
  const notes: string[] = [];
  if (seen.namespace.state === 'unknown') {
    notes.push(`whether the namespace admits the worker's pod is not known: ${seen.namespace.why}`);
  }
  if (brought.inlineSecret) {
    notes.push(
      "the tokens are given as values, so they are also in Helm's record of the release; a Secret of its own avoids that",
    );
  }
  if (seen.drift.length > 0) {
    const kept = keptBy(seen);
    if (kept.length > 0) {
      notes.push(
        `Kubernetes does not change the volume ${brought.claim} to these values: it has ${kept.map(({ text }) => text).join('; ')}`,
      );
    }
    const keep = kept.map((value) => `--set=${value.keep}`);
    const upgrade = lines.helm(...upgradeWith(worker, chart, [...valueArgs, ...keep]));
    notes.push(
      `it is installed with other values; provision changes none (${seen.drift.length} lines differ: ${seen.drift.slice(0, 3).join('; ')} …). To change them: ${upgrade}`,
    );
  }
  if (brought.replicas === 0) notes.push('replicas is 0: there will be no pod until it is started');
  if (!isInstalled(seen.release) && !brought.image.includes('/')) {
    notes.push(`the image ${brought.image} names no registry: only nodes that have it already can run it`);
  }
  return notes;
}

/** The arguments of the upgrade that gives an installed worker other values. */
export function upgradeWith(
  { name }: Pick<ClusterWorker, 'name'>,
  chart: string,
  valueArgs: readonly string[],
): string[] {
  return ['upgrade', name, chart, '--reset-then-reuse-values', ...valueArgs];
}

/** For the message when a key is missing and there is no terminal to ask on. */
export function howToGive(keys: readonly Key[]): string[] {
  return [
    ...keys.map((key) => `${key}: ${FLAG_OF[key]}`),
    'all at once: --secrets-file FILE, or --from-env; without any: --no-secret',
  ];
}

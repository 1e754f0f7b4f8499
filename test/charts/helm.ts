import { execFile, execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { makeFolder } from '../support/janitor.ts';
import { PINS, pinnedHelm } from './pinned-helm.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CHART = join(ROOT, 'charts', 'factory-worker');
export const TESTS = join(ROOT, 'test', 'charts');

/** The oldest Kubernetes that the chart supports, and the newest one it is checked against. */
export const KUBERNETES = { oldest: '1.29.14', newest: '1.37.2' } as const;

export interface Helm {
  /** `Helm 3.18.0`; used in titles of tests. */
  readonly name: string;
  readonly major: number;
  readonly path: string;
}

/** An object of Kubernetes as parsed from YAML: tests reach into it without a type for each kind. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type KubernetesObject = any;

/**
 * Helm's own folders, so that neither the plugins nor the repositories nor the cluster of whoever runs the tests are
 * used.
 */
const home = await makeFolder('helm-');
const environment = {
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  HELM_CACHE_HOME: join(home, 'cache'),
  HELM_CONFIG_HOME: join(home, 'config'),
  HELM_DATA_HOME: join(home, 'data'),
  KUBECONFIG: join(home, 'no-kubeconfig'),
};

/**
 * The Helms to test with: those in $HELM (separated as in PATH) and no others; else the one on PATH, and for each major
 * version that it is not, the pinned one. With $HELM_NEWEST set, only the newest of these.
 */
export const HELMS: readonly Helm[] = resolve();

function resolve(): readonly Helm[] {
  const named = (process.env['HELM'] ?? '').split(delimiter).filter((path) => path !== '');
  if (named.length > 0) return named.map(identify);
  const found = onPath('helm').slice(0, 1).map(identify);
  for (const pin of PINS) {
    if (found.some((helm) => `helm${helm.major}` === pin)) continue;
    const path = pinnedHelm(pin);
    if (path !== null) found.push(identify(path));
  }
  if (found.length === 0) {
    throw new Error('there is no helm on PATH, and the pinned one runs on Linux x86-64 only: install Helm');
  }
  found.sort((one, other) => one.major - other.major);
  return process.env['HELM_NEWEST'] ? found.slice(-1) : found;
}

function onPath(program: string): string[] {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  return candidates.filter((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function identify(path: string): Helm {
  const text = execFileSync(path, ['version', '--template={{.Version}}'], {
    encoding: 'utf8',
    env: environment,
  });
  const version = /v(\d+)(\.\d+)+/.exec(text);
  if (version === null) throw new Error(`${path} is no Helm: it calls itself ${JSON.stringify(text)}`);
  return { name: `Helm ${version[0].slice(1)}`, major: Number(version[1]), path };
}

/** The newest Helm there is, for what does not depend on the version. */
export function newestHelm(): Helm {
  const helm = HELMS.at(-1);
  if (helm === undefined) throw new Error('there is no helm');
  return helm;
}

export interface Call {
  /** Folder or package of the chart; default: this one. */
  readonly chart?: string;
  readonly release?: string;
  readonly namespace?: string;
  readonly kubernetes?: string;
  /** Values files, in order. */
  readonly files?: readonly string[];
  /** Values on top of the files, as if they came from one more file. */
  readonly values?: unknown;
  /** Further arguments, such as `--set`. */
  readonly args?: readonly string[];
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs helm; never throws because of what helm says.
 *
 * @param input text for its standard input
 * @param env variables on top of the private environment
 */
export function run(
  helm: Helm,
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((done) => {
    const options = { env: { ...environment, ...env }, maxBuffer: 64 * 1024 ** 2 };
    const child = execFile(helm.path, args, options, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr });
    });
    // It may have ended without reading any of it.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** The arguments and the standard input that a call means for `helm template`, `install` and `upgrade`. */
export function argumentsOf(call: Call): { readonly args: string[]; readonly input: string } {
  const { chart = CHART, release = 'worker-1', namespace = 'factory', files = [], values, args = [] } = call;
  const all = [release, chart, '--namespace', namespace, ...files.flatMap((file) => ['--values', file])];
  if (values !== undefined) all.push('--values', '-');
  return { args: [...all, ...args], input: values === undefined ? '' : JSON.stringify(values) };
}

const outcomes = new Map<string, Promise<Outcome>>();

/** `helm template`, once for equal calls. */
export function template(helm: Helm, call: Call = {}): Promise<Outcome> {
  const { args, input } = argumentsOf(call);
  const all = ['template', ...args, '--kube-version', call.kubernetes ?? KUBERNETES.newest];
  const key = JSON.stringify([helm.path, all, input]);
  const known = outcomes.get(key);
  if (known !== undefined) return known;
  const outcome = run(helm, all, input);
  outcomes.set(key, outcome);
  return outcome;
}

/**
 * The objects that `helm template` renders.
 *
 * @throws with helm's own words when it refuses
 */
export async function render(helm: Helm, call: Call = {}): Promise<Rendered> {
  const { code, stdout, stderr } = await template(helm, call);
  if (code !== 0) throw new Error(`helm template failed: ${stderr}`);
  return new Rendered(stdout);
}

/**
 * What helm says when it refuses a call, without the words around it that differ between versions.
 *
 * @throws when it does not refuse
 */
export async function refusal(helm: Helm, call: Call): Promise<string> {
  const { code, stdout, stderr } = await template(helm, call);
  if (code === 0) throw new Error(`not refused, it rendered ${stdout.length} characters`);
  return stderr
    .replace(/\n*Use --debug flag to render out invalid YAML\n*/, '')
    .replace(/^Error: /, '')
    .replace(/^execution error at \(factory-worker\/templates\/validate\/values\.yaml:\d+:\d+\): /, '')
    .trim();
}

/** Rendered objects, found by kind. */
export class Rendered {
  readonly text: string;
  readonly objects: readonly KubernetesObject[];

  constructor(text: string) {
    this.text = text;
    this.objects = parseAllDocuments(text)
      .map((document) => document.toJS() as KubernetesObject)
      .filter((object) => object !== null);
  }

  /** Objects of the release, without those of `helm test`. */
  get own(): readonly KubernetesObject[] {
    return this.objects.filter((object) => object.metadata.annotations?.['helm.sh/hook'] === undefined);
  }

  get hooks(): readonly KubernetesObject[] {
    return this.objects.filter((object) => object.metadata.annotations?.['helm.sh/hook'] !== undefined);
  }

  all(kind: string): readonly KubernetesObject[] {
    return this.own.filter((object) => object.kind === kind);
  }

  /** @throws unless there is exactly one of that kind */
  one(kind: string): KubernetesObject {
    const [object, ...more] = this.all(kind);
    if (object === undefined || more.length > 0) {
      throw new Error(`${more.length + (object ? 1 : 0)} × ${kind}`);
    }
    return object;
  }

  get pod(): KubernetesObject {
    return this.one('Deployment').spec.template;
  }

  get container(): KubernetesObject {
    return this.pod.spec.containers[0];
  }

  volume(name: string): KubernetesObject {
    return this.pod.spec.volumes.find((volume: KubernetesObject) => volume.name === name);
  }

  /** `projects.json` or `settings.json` of the ConfigMap, parsed. */
  config(file: string): KubernetesObject {
    return JSON.parse(this.one('ConfigMap').data[file]);
  }

  /** `Kind/name` of every object, sorted. */
  get names(): readonly string[] {
    return this.objects.map((object) => `${object.kind}/${object.metadata.name}`).sort();
  }
}

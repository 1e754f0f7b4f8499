/** What most test files begin and end with: a namespace of their own with one worker in it, and an operator's file for it. */
import { afterAll, beforeAll } from 'vitest';
import {
  type Answer,
  command,
  installWorker,
  makeNamespace,
  type Running,
  removeNamespace,
  start,
  type TestWorker,
  type Values,
  workersFile,
} from './worker.ts';

export class Site {
  readonly namespace: string;
  #worker: TestWorker | null = null;
  /** The operator's workers.yaml. */
  file = '';

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  get worker(): TestWorker {
    if (this.#worker === null) throw new Error(`nothing is installed in ${this.namespace} yet`);
    return this.#worker;
  }

  async open(values: Values): Promise<void> {
    await makeNamespace(this.namespace);
    await this.install(values);
  }

  /** The worker alone, into a namespace that is there. */
  async install(values: Values): Promise<void> {
    this.#worker = await installWorker(this.namespace, 'worker-1', values);
    this.file = workersFile([this.#worker]);
  }

  dispatchArgs(issue: number, ...flags: string[]): string[] {
    const what = [this.worker.name, '-p', 'demo', '-i', String(issue), '--intent', 'x'];
    return [...what, '--workers', this.file, ...flags];
  }

  /** `dispatch` of an issue of the demo project, to its end. */
  dispatch(issue: number, ...flags: string[]): Promise<Answer> {
    return command('dispatch', this.dispatchArgs(issue, ...flags));
  }

  startDispatch(issue: number, ...flags: string[]): Running {
    return start('dispatch', this.dispatchArgs(issue, ...flags));
  }

  list(...flags: string[]): Promise<Answer> {
    return command('list', ['--workers', this.file, ...flags]);
  }

  status(...flags: string[]): Promise<Answer> {
    return command('status', [this.worker.name, '--workers', this.file, ...flags]);
  }
}

/** @param values of the worker, beside what every worker of these tests has */
export function useSite(namespace: string, values: Values = {}): Site {
  const site = new Site(namespace);
  beforeAll(() => site.open(values));
  afterAll(() => removeNamespace(namespace));
  return site;
}

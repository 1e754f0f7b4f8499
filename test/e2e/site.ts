/** What test files, or parts of them, begin and end with: namespaces of their own, a worker, and an operator who knows it. */
import { afterAll, beforeAll } from 'vitest';
import { install, makeNamespace, removeNamespace, type Values, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import type { TestWorker } from './worker.ts';

/** A namespace, made anew before the tests around this call and removed after them. */
export function useNamespace(name: string): void {
  beforeAll(() => makeNamespace(name));
  afterAll(() => removeNamespace(name));
}

export interface Site {
  readonly worker: TestWorker;
  readonly operator: Operator;
}

/** @param values of the worker, beside what every worker of these tests has */
export function useSite(namespace: string, values: Values = {}): Site {
  useNamespace(namespace);
  const worker = workerIn(namespace, 'worker-1');
  beforeAll(() => install(worker, values));
  return { worker, operator: Operator.of([worker]) };
}

/** What test files, or parts of them, begin and end with: namespaces of their own, a worker, and an operator who knows it. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { until } from './cluster.ts';
import { dropNamespace, install, makeNamespace, type Values, workerIn } from './install.ts';
import { Operator } from './operator.ts';
import { assertSound, isUp, type TestWorker } from './worker.ts';

/** A namespace, made anew before the tests around this call and dropped after them. */
export function useNamespace(name: string): void {
  beforeAll(() => makeNamespace(name));
  afterAll(() => dropNamespace(name));
}

export interface Site {
  readonly worker: TestWorker;
  readonly operator: Operator;
}

/**
 * A worker whose database is verified after each test, where the test has left it running.
 *
 * @param values of the worker, beside what every worker of these tests has
 */
export function useSite(namespace: string, values: Values = {}): Site {
  useNamespace(namespace);
  const worker = workerIn(namespace, 'worker-1');
  beforeAll(() => install(worker, values));
  afterEach(() =>
    until('its database is sound', 60, async () => {
      if (await isUp(worker)) await assertSound(worker);
      return true;
    }),
  );
  return { worker, operator: Operator.of([worker]) };
}

/** What `why` makes of a worker. */
import { until } from './cluster.ts';
import { Operator } from './operator.ts';
import { saw } from './seen.ts';
import type { TestWorker } from './worker.ts';

interface Finding {
  readonly id: string;
  readonly evidence: readonly string[];
  readonly next: readonly string[];
}

/**
 * Types `why` until it names a cause, and once more as a person reads it, for the table.
 *
 * @param flags of `why`
 * @returns the finding's evidence and advice, a line each
 */
export async function explained(
  worker: TestWorker,
  id: string,
  { by = Operator.of([worker]), flags = [] as readonly string[], seconds = 90 } = {},
): Promise<string> {
  const finding = await until(`why says ${id}`, seconds, async () => {
    const { stdout } = await by.type('why', worker.name, '-o', 'json', ...flags);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    const found = findings.find((one) => one.id === id);
    if (found === undefined)
      throw new Error(`it says ${findings.map((one) => one.id).join(', ') || 'nothing'}`);
    return found;
  });
  saw(`why: ${id}`, await by.type('why', worker.name, ...flags));
  return [...finding.evidence, ...finding.next].join('\n');
}

/** Any valid list of workers, for property tests. */
import fc from 'fast-check';
import type { WorkerEntry } from '../../scripts/lib/config/worker-entry.ts';

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const subdomain = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/);
/** One line of any text: quotes, colons, hashes, spaces at the ends, what YAML takes for numbers. */
const line = fc.oneof(
  fc.string({ minLength: 1 }).filter((text) => !/[\u0000-\u001f\u007f]/.test(text)),
  fc.constantFrom(
    '1e3',
    'null',
    'true',
    '~',
    '- a',
    '# a',
    'a: b',
    ' a ',
    "it's",
    '"',
    '[a]',
    '{a',
    '*a',
    '&a',
    '!a',
    '0x1f',
  ),
  fc.string({ minLength: 200, maxLength: 300, unit: 'grapheme-ascii' }).map((text) => text.trim() || 'x'),
);
const folder = fc.stringMatching(/^\/[a-zA-Z0-9 ._#:-]{0,20}[a-z]$/);

const cluster = fc.record(
  {
    runtime: fc.constant('kubernetes' as const),
    name: label,
    pod: subdomain,
    namespace: label,
    context: line,
    container: label,
    kubeconfig: folder,
    keepConnection: fc.constantFrom('1m', '10m', '2h'),
  },
  { requiredKeys: ['runtime', 'name', 'pod', 'namespace', 'context'] },
);
const local = fc.record({ runtime: fc.constant('local' as const), name: label, home: folder });

export function fileOfWorkers(): fc.Arbitrary<WorkerEntry[]> {
  const worker = fc.oneof(cluster, local).map((entry) => ({ ...entry }) as WorkerEntry);
  return fc.uniqueArray(worker, { selector: ({ name }) => name, maxLength: 6 });
}

import { describe, expect, it } from 'vitest';
import { CliError } from '../../scripts/lib/cli/errors.ts';
import { chooseRelease, releaseQuery, type Wanted } from '../../scripts/lib/worker/live-release.ts';

const wanted = (fields: Partial<Wanted> = {}): Wanted => ({
  name: 'worker-1',
  pod: undefined,
  namespace: undefined,
  ...fields,
});

/** A Deployment; with an instance it is one of ours. */
const deployment = (name: string, namespace: string, instance?: string) => ({
  metadata: {
    name,
    namespace,
    ...(instance === undefined
      ? {}
      : { labels: { 'app.kubernetes.io/name': 'factory-worker', 'app.kubernetes.io/instance': instance } }),
  },
});

const answer = (...items: unknown[]) => JSON.stringify({ kind: 'List', items });

describe('the question', () => {
  it.each([
    [
      wanted(),
      'get deployments --all-namespaces --selector=app.kubernetes.io/name=factory-worker --output=json',
    ],
    [wanted({ namespace: 'factory' }), 'get deployments --namespace=factory --output=json'],
    [wanted({ pod: 'p' }), 'get deployments --all-namespaces --field-selector=metadata.name=p --output=json'],
  ])('%j', (known, args) => {
    expect(releaseQuery(known).join(' ')).toBe(args);
  });
});

describe('the answer', () => {
  const cases: [what: string, wanted: Wanted, items: unknown[], pod: string, namespace: string][] = [
    [
      'the release of that name',
      wanted(),
      [deployment('factory-worker-2', 'b', 'worker-2'), deployment('renamed', 'a', 'worker-1')],
      'renamed',
      'a',
    ],
    [
      'the release rather than something that is only called so',
      wanted(),
      [deployment('worker-1', 'b', 'other'), deployment('renamed', 'a', 'worker-1')],
      'renamed',
      'a',
    ],
    ['a Deployment of that name', wanted({ namespace: 'n' }), [deployment('worker-1', 'n')], 'worker-1', 'n'],
    [
      'a Deployment of that name with factory- before it',
      wanted({ namespace: 'n' }),
      [deployment('other', 'n'), deployment('factory-worker-1', 'n')],
      'factory-worker-1',
      'n',
    ],
    ['the one that was given', wanted({ pod: 'mine' }), [deployment('mine', 'n')], 'mine', 'n'],
  ];
  it.each(cases)('%s', (_, known, items, pod, namespace) => {
    expect(chooseRelease(answer(...items), known, 'do')).toEqual({ pod, namespace });
  });

  const errorOf = (items: unknown[], known: Wanted): CliError => {
    try {
      chooseRelease(answer(...items), known, 'do');
    } catch (error) {
      if (error instanceof CliError) return error;
    }
    throw new Error('no CliError');
  };

  it('none: what was looked for, what is there, what to give', () => {
    const other = deployment('factory-worker-2', 'factory', 'worker-2');
    const { message, hints } = errorOf(
      [other, deployment('unrelated', 'factory')],
      wanted({ namespace: 'factory' }),
    );
    expect(message).toBe(
      'no Deployment of release worker-1 (label app.kubernetes.io/instance=worker-1, or called worker-1 or factory-worker-1) in namespace factory of context do',
    );
    expect(hints).toEqual([
      'releases there: worker-2 (namespace factory)',
      'give what you know: --pod NAME --namespace NAME --context NAME (with all three nothing is looked up)',
    ]);
    expect(errorOf([], wanted({ pod: 'p' })).message).toBe(
      'no Deployment of name p in any namespace of context do',
    );
  });

  it('another name-label with our instance is not ours', () => {
    const labels = { 'app.kubernetes.io/name': 'redis', 'app.kubernetes.io/instance': 'worker-1' };
    const redis = { metadata: { name: 'redis', namespace: 'factory', labels } };
    expect(errorOf([redis], wanted({ namespace: 'factory' })).hints).toHaveLength(1);
  });

  it('several: which they are', () => {
    const { message, hints } = errorOf(
      [deployment('factory-worker-1', 'a', 'worker-1'), deployment('factory-worker-1', 'b', 'worker-1')],
      wanted(),
    );
    expect(message).toBe(
      "2 Deployments may be worker-1's: factory-worker-1 (namespace a), factory-worker-1 (namespace b)",
    );
    expect(hints).toEqual(['say which: --namespace NAME --pod NAME']);
  });
});

import { describe, expect, it } from 'vitest';
import { checkContext } from '../../scripts/lib/health/laptop.ts';
import { admits, labelArgs, neededLevel } from '../../scripts/lib/health/namespace.ts';
import { judgeRights, NEEDS, reviewList } from '../../scripts/lib/health/rights.ts';
import { keysWithValues } from '../../scripts/lib/secret/secret.ts';
import { clusterOf } from '../../scripts/lib/transport/kubectl.ts';
import { fakeExec } from '../support/fake-exec.ts';

/** What the API server answers: the reviews, with what is allowed by `allow`. */
function reviewed(allow: (verb: string, resource: string, subresource: string) => boolean): string {
  const { items } = JSON.parse(reviewList('factory')) as {
    items: { spec: { resourceAttributes: { verb: string; resource: string; subresource: string } } }[];
  };
  // As kubectl prints a list of what it created: one indented document after the other; empty fields are left out.
  return items
    .map(({ spec: { resourceAttributes: asked } }) => {
      const status = { allowed: allow(asked.verb, asked.resource, asked.subresource) };
      const resourceAttributes = Object.fromEntries(
        Object.entries(asked).filter(([, value]) => value !== ''),
      );
      return `${JSON.stringify({ spec: { resourceAttributes }, status }, null, 4)}\n`;
    })
    .join('');
}

describe('rights', () => {
  it('asks for each right once, in the namespace', () => {
    const { items } = JSON.parse(reviewList('factory')) as { items: unknown[] };
    expect(new Set(items.map((item) => JSON.stringify(item))).size).toBe(items.length);
    expect(JSON.stringify(items)).toContain(
      '"namespace":"factory","verb":"create","group":"","resource":"pods","subresource":"exec"',
    );
  });

  it('all allowed', () => {
    expect(
      judgeRights(
        reviewed(() => true),
        'factory',
      ).map(({ state }) => state),
    ).toEqual(NEEDS.map(() => 'ok'));
  });

  it('a reader who may not exec fails; who may not change a release is warned', () => {
    const findings = judgeRights(
      reviewed(
        (verb, resource, subresource) =>
          verb !== 'create' && verb !== 'patch' && `${resource}${subresource}` !== 'podsexec',
      ),
      'factory',
    );
    expect(findings.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'rbac-look ok',
      'rbac-exec fail',
      'rbac-forward warn',
      'rbac-why ok',
      'rbac-secret warn',
      'rbac-release warn',
      'rbac-resize warn',
    ]);
    expect(findings[1]?.fix).toEqual(['ask for a Role in namespace factory with: get, create on pods/exec']);
  });
});

describe('Pod Security labels', () => {
  const enforce = (level: string) => ({ 'pod-security.kubernetes.io/enforce': level });
  it.each([
    [enforce('privileged'), 'privileged', true],
    [enforce('privileged'), 'baseline', true],
    [enforce('baseline'), 'privileged', false],
    [enforce('restricted'), 'baseline', false],
    [{}, 'privileged', null],
  ] as const)('%o and a %s pod: %s', (labels, level, expected) => {
    expect(admits(labels, level)).toBe(expected);
  });

  it('sets all three', () => {
    expect(labelArgs('factory', 'privileged').join(' ')).toBe(
      'label namespace factory --overwrite pod-security.kubernetes.io/enforce=privileged pod-security.kubernetes.io/audit=privileged pod-security.kubernetes.io/warn=privileged',
    );
  });
});

describe('kubectl without a current context', () => {
  it('is told so, in words of ours', async () => {
    const exec = fakeExec();
    const cluster = clusterOf(
      { exec, env: {}, signal: AbortSignal.timeout(1_000), now: () => new Date() },
      1_000,
    );
    const place = { runtime: 'kubernetes', name: '', pod: '', namespace: 'factory', context: '' } as const;
    expect(await checkContext(cluster, place)).toMatchObject([
      { id: 'context', state: 'fail', reason: expect.stringContaining('no current context') },
    ]);
    expect(exec.calls).toEqual([]);
  });
});

describe('the level a namespace needs', () => {
  const docker = { privileged: true };
  const plain = { privileged: false };
  it.each([
    ['before the first worker: it may have Docker', [], 'privileged'],
    ['with Docker in one of them', [plain, docker], 'privileged'],
    ['without Docker in any', [plain, plain], 'baseline'],
    ['with one that could not be looked at: it may have Docker', [plain, null], 'privileged'],
  ])('%s', (_, workloads, level) => {
    expect(neededLevel(workloads)).toBe(level);
  });
});

describe('a release', () => {
  it('keys count when they have a value', () => {
    expect(keysWithValues('GH_TOKEN 12\nGH_USER 0\nX <nil>\n\n')).toEqual(['GH_TOKEN']);
  });
});

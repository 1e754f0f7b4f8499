/** A release that is cut short at each of its steps: the same command goes on from there. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { killAt, lastRecord, releaser } from '../release/operator.ts';
import { kubectl, SCRATCH, until } from './cluster.ts';
import { HELM } from './install.ts';
import { assertServes, otherImage, rollout, useReleases } from './releasing.ts';
import { saw } from './seen.ts';
import { holdAgents, isDrained, letAgentsGoOn, pipelineOf, type TestWorker } from './worker.ts';

// Two releases and what they wait for, on a machine that does other things as well.
vi.setConfig({ testTimeout: 600_000 });

const site = useReleases('fwc-release-cut');
const { w2, operator } = site;

async function prepullRuns({ namespace, pod }: TestWorker): Promise<boolean> {
  const selector = `--selector=factory-worker/prepull=${pod}`;
  return (await kubectl('-n', namespace, 'get', 'pods', selector, '--output=name')) !== '';
}

/** A helm whose upgrades begin late, as on a busy laptop. @returns its path */
function slowHelm(seconds: number): string {
  const path = join(SCRATCH, `slow-helm-${seconds}`);
  const lines = [
    '#!/usr/bin/env bash',
    `if [[ " $* " == *" upgrade "* && " $* " != *" --dry-run"* ]]; then sleep ${seconds}; fi`,
    `exec ${HELM} "$@"`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o755 });
  return path;
}

describe('an interruption', () => {
  const steps = ['prepull', 'drain', 'backup', 'roll', 'wait', 'verify', 'health', 'resume'] as const;
  it.each(steps)('at %s: the same command again goes on, and is done', async (step) => {
    const image = await otherImage(site, w2);
    const args = rollout(image, 'two');
    // Its pod would still be there, in the way of the next.
    const amid = step === 'prepull' ? () => prepullRuns(w2) : undefined;
    await killAt(operator.start(...args), 'two', step, amid);
    const row = await until('the worker answers', 60, async () => {
      const found = await operator.row(w2);
      return ['drained', 'draining', 'running'].includes(found.status) && found;
    });
    // While the old pod stops nobody can look into it: then it is the pod that is told of.
    if (row.status.startsWith('drain') && row.sessions !== null)
      expect(JSON.stringify(row.problems)).toContain('resume');
    const again = await operator.type(...args);
    saw(`killed at ${step}, and again`, again);
    expect(again).toExitWith(0);
    await assertServes(w2, image);
    expect(lastRecord('two')?.state).toMatch(/^done$/);
  });

  it.each([0, 2, 4, 12])('at roll, whose helm goes on %i s later: the same', async (seconds) => {
    const image = await otherImage(site, w2);
    const args = rollout(image, 'two');
    const slow = releaser([w2], slowHelm(seconds));
    await killAt(slow.start(...args), 'two', 'roll');
    const again = await operator.type(...args);
    saw(`killed at roll, its helm going on ${seconds} s later, and again`, again);
    expect(again).toExitWith(0);
    await assertServes(w2, image);
    expect(lastRecord('two')?.state).toBe('done');
  });

  it('by Ctrl-C says how the worker was left, and what to type', async () => {
    const image = await otherImage(site, w2);
    await holdAgents(w2);
    expect(await operator.dispatch(w2, 41)).toExitWith(0);
    await until('#41 at work', 60, async () => (await pipelineOf(w2, 41))?.status === 'in_progress');
    const begun = operator.start(...rollout(image, 'two'));
    await until('it waits', 60, () => begun.output().includes('waits for demo#41'));
    begun.child.kill('SIGINT');
    const { code, stderr } = await begun.answer;
    saw('a release that was interrupted while it waited', stderr);
    expect([code, stderr]).toEqual([
      130,
      expect.stringMatching(
        /interrupted at the step "drain"; two is drained\. The same command again continues from there, or .*resume.* two/,
      ),
    ]);
    expect(await isDrained(w2)).toBe(true);
    const resumed = await operator.type('resume', 'two');
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, stdout: 'two takes work again\n' });
    expect(await isDrained(w2)).toBe(false);
    await letAgentsGoOn(w2);
    const again = await operator.type(...rollout(image, 'two'));
    expect(again).toExitWith(0);
    await assertServes(w2, image);
    await until('#41 completed', 120, async () => (await pipelineOf(w2, 41))?.status === 'completed');
  });
});

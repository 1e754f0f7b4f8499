import { describe, expect, it } from 'vitest';
import { NOT_ASKED, type Rule } from '../../scripts/lib/health/facts.ts';
import { entries, judge } from '../../scripts/lib/health/report.ts';
import { WORKER } from '../support/samples.ts';

describe('what a rule finds', () => {
  const judged = (rule: Rule) =>
    judge({ ...NOT_ASKED, worker: WORKER, pod: null, refusal: null, snapshot: null, command: () => '' }, [
      ...entries('warning', rule),
    ]).problems;

  it('is reported with each line cut, however long the worker made it', () => {
    const long = 'x'.repeat(300_000);
    const [problem] = judged(() => [{ id: 'a', cause: long, evidence: [long], next: [long] }]);
    const lines = [problem?.cause, ...(problem?.evidence ?? []), ...(problem?.next ?? [])];
    expect(lines.map((line) => line?.length)).toEqual([2_000, 2_000, 2_000]);
    expect(problem?.cause).toMatch(/x…$/);
  });

  it('is reported a hundred times at most, and how many more there are', () => {
    const all = Array.from({ length: 250 }, (_, n) => ({ id: 'a', cause: `cause ${n}`, next: [] }));
    const problems = judged(() => all);
    expect(problems).toHaveLength(100);
    expect(problems[0]).toMatchObject({ cause: 'cause 0', evidence: [] });
    expect(problems.at(-1)).toMatchObject({ cause: 'cause 99', evidence: ['and 150 more like this one'] });
    expect(judged(() => all.slice(0, 100)).at(-1)).toMatchObject({ evidence: [] });
  });
});

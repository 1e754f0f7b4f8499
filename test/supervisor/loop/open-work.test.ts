import { expect, it } from 'vitest';
import { openWork } from '../../../image/supervisor/loop/open-work.ts';
import { fakeFiles } from '../fakes.ts';

const json = (fields: object) => JSON.stringify(fields);

it('finds triages and deploys that are open, in the files of the program', () => {
  const files = fakeFiles({
    '/d/triage/acme-demo/5.json': json({ issue: 5, repo: 'acme/demo', status: 'in_progress' }),
    '/d/triage/acme-demo/6.json': json({ issue: 6, repo: 'acme/demo', status: 'completed' }),
    '/d/triage/acme-demo/7.json': json({ issue: 7, repo: 'acme/demo', status: 'pending' }),
    '/d/triage/acme-demo/5/stale.outcome.json': json({ issue: 8, repo: 'acme/demo', status: 'in_progress' }),
    '/d/triage/acme-demo/9.json': '{"issue": 9, "re',
    '/d/triage/acme-demo/10.json': 'null',
    '/d/deploys/1a2b3c4d5e/deploy.json': json({ status: 'pending', repo_dir: '/w/repos/demo' }),
    '/d/deploys/2/deploy.json': json({ status: 'rolled_back', repo_dir: '/w/repos/demo' }),
    '/d/deploys/3/deploy.json': json({ status: 'failed', repo_dir: '/w/repos/demo' }),
  });
  expect(openWork('/d', files)).toEqual([
    { name: 'triage of #5', repo: 'acme/demo', directory: '' },
    { name: 'deploy of 1a2b3c4', repo: '', directory: '/w/repos/demo' },
  ]);
});

it('finds nothing where there is nothing', () => {
  expect(openWork('/d', fakeFiles())).toEqual([]);
});

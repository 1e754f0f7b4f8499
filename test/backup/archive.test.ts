import { describe, expect, it } from 'vitest';
import { isPipeline, parseClones, savedState } from '../../scripts/lib/backup/archive.ts';

describe('what a backup says of itself', () => {
  it('rows, newest and integrity', () => {
    expect(savedState('database=sqlite\nschema=3\nrows=12\nnewest=14\nintegrity=ok')).toEqual({
      database: 'sqlite',
      schema: 3,
      rows: 12,
      newest: 14,
      integrity: 'ok',
    });
    expect(savedState('database=sqlite\nschema=\nrows=0\nnewest=0\nintegrity=ok')?.schema).toBeNull();
    expect(savedState('database=none')).toMatchObject({ database: 'none', rows: 0 });
  });

  it.each([
    '',
    'rows=1',
    'database=oracle\nrows=1\nnewest=1',
    'database=postgres\nrows=1',
    'database=sqlite\nrows=x\nnewest=1',
  ])('"%s" is of no version we know', (text) => {
    expect(savedState(text)).toBeNull();
  });

  it('its clones, and the issues that have a pipeline', () => {
    expect(
      parseClones(
        'clone\tdemo\tfile:///srv/demo.git\nworktree\tdemo\t/worktrees/issue-1\tfeature/issue-1\tabc\t-\n',
      ),
    ).toEqual([{ name: 'demo', url: 'file:///srv/demo.git' }]);
    const names = [
      'pipelines',
      'pipelines/1/pipeline.json',
      'pipelines/acme/shop/2/pipeline.json',
      'pipelines/1/stages/x.json',
    ];
    expect(names.filter(isPipeline)).toHaveLength(2);
  });
});

import { describe, expect, it } from 'vitest';
import { parseProjectRows } from '../../scripts/lib/projects/projects.ts';
import { boot, frame, RUNNING } from '../worker/samples.ts';

/** The rows of a worker whose boot phase says this of the projects with these names. */
function rows(said: string, ...names: string[]) {
  const phase = { name: 'clones', status: 'failed', startedAt: boot.startedAt, ms: 1, message: said };
  const parts = {
    ...RUNNING,
    boot: JSON.stringify({ ...boot, phases: [phase] }),
    configured: names.map((name) => `${name}\thttps://example.com/${name}.git\n`).join(''),
  };
  return parseProjectRows(frame(parts))
    .filter(({ name }) => names.includes(name))
    .map(({ name, state, message }) => [name, state, message]);
}

describe('what the boot says of a project', () => {
  const SAID =
    'a: ok; b.c: fatal: not found; gone (tried again at 12:00:00); d: being cloned; bxc: other (tried again at 12:00:00)';

  it('is told of that project alone', () => {
    expect(rows(SAID, 'a', 'b.c', 'd', 'e')).toEqual([
      ['a', 'cloning', ''],
      ['b.c', 'failed', 'fatal: not found; gone'],
      ['d', 'cloning', ''],
      ['e', 'cloning', ''],
    ]);
  });

  it('is found whatever the worker calls it', () => {
    const odd = ['(', '['.repeat(9), 'x'.repeat(300_000)];
    expect(rows('(: no (tried again at 1)', ...odd).map(([, , message]) => message)).toEqual(['no', '', '']);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addWorker, removeWorker, renderWorkers } from '../../scripts/lib/config/edit.ts';
import { parseWorkers } from '../../scripts/lib/config/parse-workers.ts';
import type { WorkerEntry } from '../../scripts/lib/config/worker-entry.ts';
import { fileOfWorkers } from './arbitrary-workers.ts';

const NEW: WorkerEntry = { runtime: 'local', name: 'new', home: '/new' };
const CLUSTER: WorkerEntry = {
  runtime: 'kubernetes',
  name: 'new',
  pod: 'factory-new',
  namespace: 'factory',
  context: 'do nyc',
  container: 'worker',
};

const parse = (text: string) => parseWorkers('/w.yaml', text, '/home/me').workers;
const names = (text: string) => parse(text).map(({ name }) => name);

const FILE = `# my workers
workers:
  # in New York
  - name: a
    pod: factory-a         # the Deployment
    namespace:   "factory"
    context: do
    # container: worker

  # in Frankfurt
  - name: b
    runtime: local
    home: /b

x-notes: { keep:   this }  # and this
# the end
`;

describe('addWorker', () => {
  it('adds the entry behind the last one and changes nothing else', () => {
    expect(addWorker(FILE, NEW)).toBe(
      FILE.replace('    home: /b\n', '    home: /b\n  - name: new\n    runtime: local\n    home: /new\n'),
    );
  });

  it('writes the fields in the order of the example', () => {
    expect(addWorker('workers: []\n', CLUSTER)).toBe(
      'workers:\n  - name: new\n    pod: factory-new\n    namespace: factory\n    context: do nyc\n    container: worker\n',
    );
  });

  const cases: [what: string, before: string, after: string][] = [
    ['an empty file', '', 'workers:\n  - name: new\n    runtime: local\n    home: /new\n'],
    [
      'a file of comments',
      '# mine\n',
      '# mine\nworkers:\n  - name: new\n    runtime: local\n    home: /new\n',
    ],
    [
      'an empty list with a comment',
      'workers: [] # none yet\nx-a: 1\n',
      'workers: # none yet\n  - name: new\n    runtime: local\n    home: /new\nx-a: 1\n',
    ],
    [
      'a list without indentation',
      'workers:\n- name: a\n  runtime: local\n  home: /a\n',
      'workers:\n- name: a\n  runtime: local\n  home: /a\n- name: new\n  runtime: local\n  home: /new\n',
    ],
    [
      'a last line without its end',
      'workers:\n    - name: a\n      runtime: local\n      home: /a',
      'workers:\n    - name: a\n      runtime: local\n      home: /a\n    - name: new\n      runtime: local\n      home: /new\n',
    ],
    [
      'Windows line ends',
      'workers:\r\n  - name: a\r\n    runtime: local\r\n    home: /a\r\n',
      'workers:\r\n  - name: a\r\n    runtime: local\r\n    home: /a\r\n  - name: new\r\n    runtime: local\r\n    home: /new\r\n',
    ],
    [
      'a comment that belongs to the last entry',
      'workers:\n  - name: a\n    runtime: local\n    home: /a # here\n    # deeper\n  # not deeper\n',
      'workers:\n  - name: a\n    runtime: local\n    home: /a # here\n    # deeper\n  - name: new\n    runtime: local\n    home: /new\n  # not deeper\n',
    ],
    [
      'a folded text at the end of an entry',
      'workers:\n  - name: a\n    runtime: local\n    home: >-\n      /a\n',
      'workers:\n  - name: a\n    runtime: local\n    home: >-\n      /a\n  - name: new\n    runtime: local\n    home: /new\n',
    ],
  ];
  it.each(cases)('%s', (_, before, after) => {
    expect(addWorker(before, NEW)).toBe(after);
  });

  it.each([
    ['a list in brackets', '# top\nworkers: [{name: a, runtime: local, home: /a}] # side\n'],
    ['braces', '{"workers": []}\n'],
    ['brackets over several lines', '# top\nworkers: [\n]\n'],
  ])('%s: keeps the comments, may change the layout', (_, before) => {
    const after = addWorker(before, NEW);
    expect(parse(after)).toEqual([...parse(before), NEW]);
    for (const [comment] of before.matchAll(/# \w+/g)) expect(after).toContain(comment);
  });
});

describe('removeWorker', () => {
  it('takes out the entry with the comments inside it; those above it stay', () => {
    expect(removeWorker(FILE, 'a')).toBe(
      '# my workers\nworkers:\n  # in New York\n\n  # in Frankfurt\n  - name: b\n    runtime: local\n    home: /b\n\nx-notes: { keep:   this }  # and this\n# the end\n',
    );
    expect(removeWorker(FILE, 'b')).toBe(FILE.replace('  - name: b\n    runtime: local\n    home: /b\n', ''));
  });

  it('leaves one blank line where there were two', () => {
    const entry = (name: string) => `  - name: ${name}\n    runtime: local\n    home: /${name}\n`;
    const text = `workers:\n${entry('a')}\n${entry('b')}\n${entry('c')}`;
    expect(removeWorker(text, 'b')).toBe(`workers:\n${entry('a')}\n${entry('c')}`);
    expect(removeWorker(text, 'c')).toBe(`workers:\n${entry('a')}\n${entry('b')}`);
  });

  it('leaves an empty list behind the last one', () => {
    const text = 'workers: # mine\n  - name: a\n    runtime: local\n    home: /a\nx-a: 1\n';
    expect(removeWorker(text, 'a')).toBe('workers: [] # mine\nx-a: 1\n');
  });

  it('leaves a file alone that has no such worker', () => {
    expect(removeWorker(FILE, 'c')).toBe(FILE);
    expect(removeWorker('', 'c')).toBe('');
  });

  it('works on lists in brackets', () => {
    const text =
      '# top\nworkers: [{name: a, runtime: local, home: /a}, {name: b, runtime: local, home: /b}]\n';
    expect(names(removeWorker(text, 'a'))).toEqual(['b']);
    expect(removeWorker(text, 'a')).toContain('# top');
  });
});

describe('any file', () => {
  /** A file with those workers, laid out in one of many ways, and with a comment wherever one may stand. */
  const layout = fc
    .record({
      workers: fileOfWorkers(),
      indent: fc.constantFrom(0, 1, 2, 4),
      blank: fc.boolean(),
      newline: fc.constantFrom('\n', '\r\n'),
      above: fc.boolean(),
      inside: fc.boolean(),
      beside: fc.constantFrom('', ' # beside', '     # far beside'),
      tail: fc.constantFrom('', '# tail\n', '\nx-tail: {a:  1} # tail\n'),
    })
    .map(({ workers, indent, blank, newline, above, inside, beside, tail }) => {
      const pad = ' '.repeat(indent);
      const entries = workers.map((worker, index) => {
        const lines = addWorker('', worker).split('\n').slice(1, -1);
        return [
          ...(above ? [`${pad}# above ${index}`] : []),
          ...lines.map((line) => `${pad}${line.slice(2)}${beside}`),
          ...(inside ? [`${pad}  # inside ${index}`] : []),
          ...(blank ? [''] : []),
        ];
      });
      const body = workers.length === 0 ? 'workers: []\n' : `workers:\n${entries.flat().join('\n')}\n`;
      return { workers, text: `# head\n${body}${tail}`.replaceAll('\n', newline) };
    });
  const comments = (text: string) =>
    [...text.matchAll(/# (?:head|tail|above \d+|inside \d+)/g)].map(([comment]) => comment);

  it('understands a new entry, keeps every line, and is the same again when it is removed', () => {
    fc.assert(
      fc.property(layout, ({ workers, text }) => {
        fc.pre(workers.every(({ name }) => name !== 'new'));
        for (const added of [NEW, CLUSTER]) {
          const after = addWorker(text, added);
          expect(parse(after)).toEqual([...workers, added]);
          expect(removeWorker(after, 'new')).toBe(text);
        }
      }),
    );
  });

  it('loses with an entry only its own lines', () => {
    fc.assert(
      fc.property(layout, fc.nat(), ({ workers, text }, choice) => {
        fc.pre(workers.length > 0);
        const index = choice % workers.length;
        const after = removeWorker(text, workers[index]?.name ?? '');
        expect(parse(after)).toEqual(workers.filter((_, other) => other !== index));
        expect(comments(after)).toEqual(comments(text).filter((comment) => comment !== `# inside ${index}`));
        for (const line of after.split(/\r?\n/))
          expect([...text.split(/\r?\n/), 'workers: []']).toContain(line);
      }),
    );
  });

  it('is read as it was rendered', () => {
    fc.assert(
      fc.property(fileOfWorkers(), (workers) => {
        expect(parse(renderWorkers(workers))).toEqual(workers);
      }),
    );
  });
});

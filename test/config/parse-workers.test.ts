import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { CliError, ExitCode } from '../../scripts/lib/cli/errors.ts';
import { renderWorkers } from '../../scripts/lib/config/edit.ts';
import { mistakesInFields, parseWorkers } from '../../scripts/lib/config/parse-workers.ts';
import type { WorkerEntry } from '../../scripts/lib/config/worker-entry.ts';
import { runs } from '../support/properties.ts';
import { fileOfWorkers } from './arbitrary-workers.ts';

const HOME = '/home/me';
const PATH = '/home/me/.factory/workers.yaml';

function parse(text: string): readonly WorkerEntry[] {
  return parseWorkers(PATH, text, HOME).workers;
}

function errorOf(text: string, path = 'workers.yaml'): CliError {
  try {
    parseWorkers(path, text, HOME);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('no error');
}

const WORKER = `  - name: worker-1
    pod: factory-worker-1
    namespace: factory
    context: do-nyc1-factory
`;

const LABEL = 'lower-case letters, digits and hyphens, with a letter or digit at both ends, at most 63';
const ALL_KEYS = 'name, runtime, pod, namespace, context, container, kubeconfig, keepConnection, home';

describe('a file without mistakes', () => {
  it('is the four fields', () => {
    expect(parse(`workers:\n${WORKER}`)).toEqual([
      {
        runtime: 'kubernetes',
        name: 'worker-1',
        pod: 'factory-worker-1',
        namespace: 'factory',
        context: 'do-nyc1-factory',
      },
    ]);
  });

  it('may say container, kubeconfig and runtime, and x-keys at every level', () => {
    const text = `x-team: {anything: [goes]}\nworkers:\n${WORKER}    runtime: kubernetes\n    container: worker\n    kubeconfig: ~/.kube/other\n    x-note: 1\n`;
    expect(parse(text)).toEqual([
      {
        runtime: 'kubernetes',
        name: 'worker-1',
        pod: 'factory-worker-1',
        namespace: 'factory',
        context: 'do-nyc1-factory',
        container: 'worker',
        kubeconfig: '/home/me/.kube/other',
      },
    ]);
  });

  it.each([
    ['~/local/a', '/home/me/local/a'],
    ['~', '/home/me'],
    ['/srv/a', '/srv/a'],
    ['local/a', '/home/me/.factory/local/a'],
    ['../a', '/home/me/a'],
    ['~other/a', '/home/me/.factory/~other/a'],
  ])('finds the home %s of a local worker at %s', (written, home) => {
    expect(parse(`workers:\n  - {name: a, runtime: local, home: "${written}"}\n`)).toEqual([
      { runtime: 'local', name: 'a', home },
    ]);
  });

  it('may share fields through anchors and <<', () => {
    const text = `x-do: &do\n  namespace: factory\n  context: do-nyc1-factory\nworkers:\n  - <<: *do\n    name: a\n    pod: factory-a\n`;
    expect(parse(text)).toEqual([
      {
        runtime: 'kubernetes',
        name: 'a',
        pod: 'factory-a',
        namespace: 'factory',
        context: 'do-nyc1-factory',
      },
    ]);
  });

  it('may have no workers, Windows line ends, a byte order mark or braces', () => {
    expect(parse('workers: []')).toEqual([]);
    expect(parse(`\ufeffworkers:\r\n${WORKER.replaceAll('\n', '\r\n')}`)).toHaveLength(1);
    expect(parse('{"workers": [{"name": "a", "runtime": "local", "home": "/a"}]}')).toHaveLength(1);
  });

  it('names itself as people write its path', () => {
    expect(parseWorkers(PATH, 'workers: []', HOME).path).toBe('~/.factory/workers.yaml');
    expect(parseWorkers('w.yaml', 'workers: []', HOME).path).toBe('w.yaml');
    expect(parseWorkers('/home/melissa/w.yaml', 'workers: []', HOME).path).toBe('/home/melissa/w.yaml');
  });

  it('gives back any list of workers that was written', () => {
    fc.assert(
      fc.property(fileOfWorkers(), (workers) => {
        expect(parse(renderWorkers(workers))).toEqual(workers);
        expect(parse(stringify({ workers }, { lineWidth: 20 }))).toEqual(workers);
      }),
    );
  });
});

describe('a mistake', () => {
  const cases: [what: string, text: string, message: string][] = [
    ['empty file', '', '1:1 the file is empty; it needs a list of workers, as in workers.example.yaml'],
    [
      'only comments',
      '# later\n',
      '1:1 the file is empty; it needs a list of workers, as in workers.example.yaml',
    ],
    ['another key', 'worker: []\n', '1:1 worker: unknown key; did you mean "workers"?'],
    [
      'no workers',
      'x-a: 1\n',
      '1:1 workers: missing; the file needs a list of workers, as in workers.example.yaml',
    ],
    [
      'workers without a value',
      '\nworkers:\n',
      '2:9 workers: must be a list of workers, each beginning with "- name:", but is empty',
    ],
    [
      'workers as a map',
      'workers:\n  worker-1: {}\n',
      '2:3 workers: must be a list of workers, each beginning with "- name:", but is a map',
    ],
    ['a list at the top', '- name: a\n', '1:1 the file must begin with "workers:", but is a list'],
    ['text', 'hello\n', '1:1 the file must begin with "workers:", but is text'],
    [
      'an entry that is text',
      'workers:\n  - worker-1\n',
      '2:5 workers[0]: must be a worker with name, pod, namespace and context, but is text',
    ],
    [
      'an empty entry',
      'workers:\n  -\n',
      '2:4 workers[0]: must be a worker with name, pod, namespace and context, but is empty',
    ],
    [
      'an unknown key',
      `workers:\n${WORKER}    replicas: 2\n`,
      `6:5 workers[0].replicas: unknown key; known are ${ALL_KEYS}, and keys of your own that begin with x-`,
    ],
    [
      'an odd unknown key',
      `workers:\n${WORKER}    "my key\\n": 2\n`,
      `6:5 workers[0]["my key\\n"]: unknown key; known are ${ALL_KEYS}, and keys of your own that begin with x-`,
    ],
    [
      'a misspelt key, said once though the right one is missing',
      `workers:\n${WORKER.replace('namespace', 'namspace')}`,
      '4:5 workers[0].namspace: unknown key; did you mean "namespace"?',
    ],
    [
      'a missing pod',
      `workers:\n${WORKER.replace(/ {4}pod.*\n/, '')}`,
      "2:5 workers[0].pod: missing; it is the name of the worker's Deployment, StatefulSet or pod, such as factory-worker-1",
    ],
    [
      'a number',
      `workers:\n${WORKER.replace('factory\n', '12\n')}`,
      '4:16 workers[0].namespace: must be text, but is the number 12; put it in quotes: "12"',
    ],
    [
      'a time that is no number of minutes or hours',
      `workers:\n${WORKER}    keepConnection: 30s\n`,
      '6:21 workers[0].keepConnection: must be minutes or hours, such as 10m or 2h, not "30s"',
    ],
    [
      'a truth value',
      `workers:\n${WORKER.replace('factory\n', 'true\n')}`,
      '4:16 workers[0].namespace: must be text, but is the boolean true; put it in quotes: "true"',
    ],
    [
      'a list for a value',
      `workers:\n${WORKER.replace('factory\n', '[a]\n')}`,
      '4:16 workers[0].namespace: must be text, but is a list',
    ],
    [
      'a key without a value',
      `workers:\n${WORKER.replace('namespace: factory', 'namespace:')}`,
      '4:15 workers[0].namespace: empty; it is the namespace the worker was installed into',
    ],
    [
      'an empty text',
      `workers:\n${WORKER.replace('do-nyc1-factory', '""')}`,
      '5:14 workers[0].context: empty; it is the kubectl context of its cluster (kubectl config get-contexts lists them)',
    ],
    [
      'a name that is no label',
      `workers:\n${WORKER.replace('worker-1', 'Worker_1')}`,
      `2:11 workers[0].name: must be ${LABEL}, not "Worker_1"; did you mean "worker-1"?`,
    ],
    [
      'a name that is too long',
      `workers:\n${WORKER.replace('worker-1', 'w'.repeat(80))}`,
      `2:11 workers[0].name: must be ${LABEL}, not "${'w'.repeat(70)}…"`,
    ],
    [
      'a pod that is no name',
      `workers:\n${WORKER.replace('factory-worker-1', 'deploy/worker')}`,
      '3:10 workers[0].pod: must be lower-case letters, digits, hyphens and dots, with a letter or digit at both ends, at most 253, not "deploy/worker"; did you mean "deploy-worker"?',
    ],
    [
      'a context of two lines',
      `workers:\n${WORKER.replace('do-nyc1-factory', '"a\\nb"')}`,
      '5:14 workers[0].context: must be one line of text, not "a\\nb"',
    ],
    [
      'two workers of one name',
      `workers:\n${WORKER}${WORKER}`,
      '6:11 workers[1].name: "worker-1" is already the name of workers[0]; every worker needs its own',
    ],
    [
      'a key twice',
      `workers:\n${WORKER}    pod: other\n`,
      '6:5 this key appears twice; remove one of the two',
    ],
    [
      'an unknown runtime',
      'workers:\n  - name: a\n    runtime: locl\n    home: /a\n',
      '3:14 workers[0].runtime: must be kubernetes or local, not "locl"; did you mean "local"?\n' +
        '4:5 workers[0].home: only a local worker has a home; remove this line, or add runtime: local',
    ],
    [
      'a home without runtime: local',
      'workers:\n  - name: a\n    home: /a\n',
      '3:5 workers[0].home: only a local worker has a home; remove this line, or add runtime: local',
    ],
    [
      'a local worker without a home',
      'workers:\n  - name: a\n    runtime: local\n',
      '2:5 workers[0].home: missing; it is the folder of a local worker',
    ],
    [
      'a local worker with a pod',
      'workers:\n  - name: a\n    runtime: local\n    home: /a\n    pod: factory-a\n',
      '5:5 workers[0].pod: a local worker has no pod; remove this line, or runtime: local',
    ],
    [
      'a mistake in a shared field, at the worker that has it',
      'x-do: &do {namespace: 1}\nworkers:\n  - <<: *do\n    name: a\n    pod: p\n    context: c\n',
      '3:5 workers[0].namespace: must be text, but is the number 1; put it in quotes: "1"',
    ],
    [
      'a mistake in an entry that is an alias, where its text is',
      'x-w: &w {name: 1, runtime: local, home: /a}\nworkers:\n  - *w\n',
      '1:16 workers[0].name: must be text, but is the number 1; put it in quotes: "1"',
    ],
    ['a tab', 'workers:\n\t- name: a\n', '2:1 not valid YAML: Tabs are not allowed as indentation'],
    [
      'a colon in a value',
      'workers:\n  - name: a: b\n',
      '2:11 not valid YAML: Nested mappings are not allowed in compact mappings',
    ],
    ['an open quote', 'workers:\n  - name: "a\n', '3:1 not valid YAML: Missing closing "quote'],
    [
      'an alias of nothing',
      'workers:\n  - *worker\n',
      '2:5 not valid YAML: Unresolved alias (the anchor must be set before the alias): worker',
    ],
    [
      'a << of no map',
      'workers: []\n<<: 3\n',
      '1:1 not valid YAML: Merge sources must be maps or map aliases',
    ],
  ];
  it.each(cases)('%s', (_, text, expected) => {
    const { message, exitCode } = errorOf(text);
    const lines = expected.split('\n').map((line) => `workers.yaml:${line}`);
    expect(message).toBe(
      lines.length === 1 ? lines.join() : `workers.yaml has ${lines.length} mistakes\n${lines.join('\n')}`,
    );
    expect(exitCode).toBe(ExitCode.usage);
  });

  it('does not hide the others: all are listed, in the order of the file', () => {
    const text = `workers:
  - name: Worker 1
    pod: factory-worker-1
    namespac: factory
    context: do-nyc1-factory
    replicas: "3"
  - name: b
    runtime: local
    pod: factory-b
    pod: factory-b
  - nme: c
    context: c
    namespace: c
extra: 1
`;
    expect(errorOf(text).message).toBe(`workers.yaml has 9 mistakes
workers.yaml:2:11 workers[0].name: must be ${LABEL}, not "Worker 1"; did you mean "worker-1"?
workers.yaml:4:5 workers[0].namespac: unknown key; did you mean "namespace"?
workers.yaml:6:5 workers[0].replicas: unknown key; known are ${ALL_KEYS}, and keys of your own that begin with x-
workers.yaml:7:5 workers[1].home: missing; it is the folder of a local worker
workers.yaml:9:5 workers[1].pod: a local worker has no pod; remove this line, or runtime: local
workers.yaml:10:5 this key appears twice; remove one of the two
workers.yaml:11:5 workers[2].pod: missing; it is the name of the worker's Deployment, StatefulSet or pod, such as factory-worker-1
workers.yaml:11:5 workers[2].nme: unknown key; did you mean "name"?
workers.yaml:14:1 extra: unknown key; known are workers, and keys of your own that begin with x-`);
  });

  it('stands at the path as people write it', () => {
    expect(errorOf('workers: 1', PATH).message).toMatch(/^~\/\.factory\/workers\.yaml:1:10 /);
  });

  it('is said of the first syntax error of a line only, since the rest follows from it', () => {
    expect(errorOf('- a\nb: c').message).toBe(
      'workers.yaml:2:1 not valid YAML: Unexpected scalar at node end',
    );
  });
});

describe('any text', () => {
  const token = fc.oneof(
    fc.constantFrom(
      ...[
        'workers:',
        'name:',
        ' pod: a',
        'x-a',
        '- ',
        '-',
        ':',
        '\n',
        '\n  ',
        '    ',
        '&a',
        '*a',
        '<<: ',
        '|',
        '>',
        '!',
      ],
      ...[
        '[',
        ']',
        '{',
        '}',
        '#',
        '"',
        "'",
        '?',
        '%YAML 1.1\n',
        '---',
        '...',
        '~',
        'null',
        '0x1',
        '!!binary',
        '\t',
        '@',
      ],
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  );
  const yamlish = fc.array(token, { maxLength: 25 }).map((tokens) => tokens.join(''));

  it('gives workers or a CliError, and no warning of Node', async () => {
    const warnings: unknown[] = [];
    const listen = (warning: unknown) => warnings.push(warning);
    process.on('warning', listen);
    fc.assert(
      fc.property(fc.oneof(yamlish, fc.string({ unit: 'binary' })), (text) => {
        try {
          expect(Array.isArray(parse(text))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(CliError);
          expect((error as CliError).message).toMatch(
            /^~\/\.factory\/workers\.yaml(:\d+:\d+ | has \d+ mistakes\n)/,
          );
        }
      }),
      { numRuns: runs(2_000) },
    );
    expect(() => parse('? [a]\n: b\n')).toThrow(CliError);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });

  it('does not take long, whatever it refers to', () => {
    const bomb = `a0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]\n`).join('')}`;
    expect(errorOf(bomb).message).toContain('Excessive alias count');
  });
});

describe('fields typed as flags', () => {
  it('are checked like those of the file, without asking for the rest', () => {
    expect(mistakesInFields({ name: 'worker-1', pod: undefined })).toEqual([]);
    expect(mistakesInFields({ name: 'Worker_1', namespace: '-' })).toEqual([
      `name: must be ${LABEL}, not "Worker_1"; did you mean "worker-1"?`,
      `namespace: must be ${LABEL}, not "-"`,
    ]);
  });
});

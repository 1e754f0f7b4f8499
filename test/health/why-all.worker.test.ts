/** `why` without a worker: who needs the operator. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { why } from '../../scripts/why.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { type RunOptions, run } from '../support/run-command.ts';

let well: HandWorker;
let dead: HandWorker;
let file: string;
beforeAll(async () => {
  [well, dead] = await Promise.all([handWorker(), handWorker()]);
  // The other one's has died.
  await well.bash(
    'printf "set -s exit-empty off\\n" >"$HOME/.tmux.conf" && tmux new-session -d -s orchestrator cat',
  );
  file = join(well.dir, 'all.yaml');
});
afterAll(() => Promise.all([well.remove(), dead.remove()]));

const ask = async (entries: readonly string[], argv: readonly string[], options: RunOptions = {}) => {
  await writeFile(file, `workers:\n${entries.map((line) => `  - ${line}\n`).join('')}`);
  return run(why, argv, { ...options, env: { ...well.laptop, FACTORY_WORKERS: file, ...options.env } });
};
const local = (name: string, { dir }: { readonly dir: string }) =>
  `{name: ${name}, runtime: local, home: ${dir}}`;
const pod = (name: string) => `{name: ${name}, pod: factory-${name}, namespace: factory, context: prod}`;

it('is one line when all is well', async () => {
  const entries = [local('a', well), local('b', well)];
  expect(await ask(entries, [])).toEqual({
    code: 0,
    stdout: 'nothing is wrong with 2 workers\n',
    stderr: '',
  });
  expect((await ask(entries, ['--exit-code'])).code).toBe(0);
  expect((await ask(entries, ['-o', 'json'])).stdout).toBe('[]\n');
});

it('names those that need the operator, each with its causes in short', async () => {
  const entries = [local('a', well), local('b', dead)];
  const { code, stdout, stderr } = await ask(entries, []);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^b: \S+\n( {2}! .+\n)+ {2}more: factory-worker why b\n$/);
  expect(stdout).not.toContain('seen:');
  expect((await ask(entries, ['--exit-code'])).code).toBe(4);
  // Only a whole document has a version.
  const { schema: _, ...alone } = JSON.parse((await ask(entries, ['b', '-o', 'json'])).stdout);
  expect(JSON.parse((await ask(entries, ['-o', 'json'])).stdout)).toEqual([alone]);
});

it('is about the worker in $FACTORY_WORKER, if that is set; --all is about every one', async () => {
  const entries = [local('a', well), local('b', dead)];
  const env = { FACTORY_WORKER: 'a' };
  expect((await ask(entries, [], { env })).stdout).toMatch(/^a: running\n/);
  expect((await ask(entries, ['--all'], { env })).stdout).toMatch(/^b: /);
  const both = await ask(entries, ['a', '--all']);
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('cannot be used together')]);
});

it('tells the failure of a cluster once, and exits with 3 when a state is not known', async () => {
  const refused = 'Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused\n';
  const kubectl = fakeKubectl([{ match: ['get'], code: 1, stderr: refused }]);
  const entries = [local('a', well), pod('worker-1'), local('b', dead), pod('worker-2')];
  const env = { KUBECTL: kubectl.path };
  const { code, stdout } = await ask(entries, ['--exit-code'], { env });
  kubectl.remove();
  expect(code).toBe(3);
  expect(stdout).toMatch(/^2 workers unreachable \(context prod, namespace factory\)/);
  expect(stdout.match(/connection refused/g)).toHaveLength(1);
  expect(stdout).toMatch(/^b: /m);
});

it('without workers says how to add one', async () => {
  await writeFile(file, 'workers: []\n');
  const { code, stdout, stderr } = await run(why, [], { env: { ...well.laptop, FACTORY_WORKERS: file } });
  expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining('workers add NAME')]);
});

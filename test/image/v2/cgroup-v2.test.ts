/** The image on cgroup v2, as production nodes have it: in a virtual machine (machine.sh, node.sh), started twice. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from '../worker.ts';

const GIB = 1024 ** 3;
const answers = new Map<string, string>();
let console_ = '';

beforeAll(async () => {
  const script = join(import.meta.dirname, 'machine.sh');
  const { stdout, stderr } = await run([script, 'factory-worker:standins'], '', 42 * 60_000);
  console_ = `${stdout}\n${stderr}`.slice(-20_000);
  for (const line of stdout.split(/\r?\n/)) {
    if (!line.startsWith('V2 ')) continue;
    const { name, value } = JSON.parse(line.slice(3)) as { name: string; value: string };
    answers.set(name, value.trim());
  }
});

test('the machine came to its end', () => {
  expect(answers.get('end'), console_).toBe('end');
});

// All of it holds again after the container was killed and made anew in the same pod.
describe.each(['first', 'second'])('%s start', (round) => {
  const answer = (name: string) => answers.get(`${round} ${name}`);

  test('it is ready, in a cgroup namespace of its own', () => {
    expect(answer('ready'), console_).toBe('yes');
    expect(answer('log')).toContain('taking one of our own');
    expect(answer('docker')).toBe('overlay2 v2 cgroupfs');
    expect(answer('exec works')).toMatch(/^0::\/.*init/);
  });

  test('nested containers live under the pod’s cgroup, with a limit below the pod’s', () => {
    expect(answer('container starts')).toMatch(/^[0-9a-f]{64}$/);
    expect(answer('container is below the pod')).toBe('1');
    expect(Number(answer('containers limit'))).toBe(GIB - 256 * 1024 ** 2);
    expect(answer("processes in the pod's root")).toBe('0');
    expect(answer('bridge')).toBe('1500');
  });

  test('a greedy one is killed, alone, and counts against the pod', () => {
    expect(answer('oom group')).toBe('0');
    expect(answer("hog's exit code")).toBe('137');
    expect(answer('hog was killed for memory')).toBe('true');
    expect(answer('the rest is untouched')).toBe('yes');
    expect(answer('bystander lives')).toBe('true');
    expect(answer('counted against the pod')).toBe('yes');
  });

  test('the node’s root cgroup stays as it was', () => {
    expect(answer("node's root before")).toMatch(/kubepods/);
    expect(answer("node's root after")).toBe(answer("node's root before"));
  });
});

test('SIGTERM ends it in order', () => {
  expect(answers.get('stop')).toBe('stopped');
  expect(answers.get('stop log')).toMatch(/stop the containers[\s\S]*stop Docker[\s\S]*end tmux/);
});

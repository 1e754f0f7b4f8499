/** The command the shells ask: what it looks up, how it prints it, and how quiet it is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { complete } from '../../scripts/complete.ts';
import { LIMIT_MS } from '../../scripts/lib/completion/lookups.ts';
import { type FakeKubectl, fakeKubectl, type Rule } from '../support/fake-kubectl.ts';
import { type RunOptions, run } from '../support/run-command.ts';
import { until } from '../support/until.ts';
import { type Playground, playground } from './playground.ts';

let place: Playground;
beforeAll(() => {
  place = playground();
});
afterAll(() => place.remove());

async function ask(shell: string, words: readonly string[], options: RunOptions = {}) {
  return run(complete, [shell, '--', ...words], { ...options, env: { ...place.env, ...options.env } });
}

/** The candidates for the words, without descriptions. */
async function values(...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await ask('fish', words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [String(line.split('\t')[0])]));
}

describe('what is offered', () => {
  it('are the commands that people type', async () => {
    const commands = await values('factory-worker', '');
    expect(commands).toEqual(expect.arrayContaining(['list', 'status', 'dispatch', 'attach', 'shell-init']));
    expect(commands).not.toContain('complete');
    expect(await values('factory', 'worker', '')).toEqual(commands);
    expect(await values('factory-worker', '-')).toEqual(['--help', '--version']);
    expect(await values('factory-worker', 'lisst', '')).toEqual([]);
  });

  it('are workers, each once', async () => {
    expect(await values('factory-worker', 'list', '')).toEqual(['laptop', 'worker-1', 'worker-2']);
    expect(await values('factory-worker', 'list', 'worker-1', '')).toEqual(['laptop', 'worker-2']);
  });

  it('are the projects and sessions of the worker typed already, a session also by its stage', async () => {
    expect(await values('factory-worker', 'dispatch', 'laptop', '--project', '')).toEqual([
      'deathcookies',
      'demo',
    ]);
    expect(await values('factory', 'worker', 'peek', 'laptop', '-s', '')).toEqual([
      'orchestrator',
      '23-qa-1',
      'qa',
      '24-implement-1',
      'implement',
      'my session',
      'pay $5',
    ]);
    expect(await values('factory-worker', 'peek', 'laptop', '--session=')).toContain('--session=my session');
  });

  it("are factory's own words besides ours", async () => {
    expect(await values('factory', '')).toEqual(['worker']);
    expect(await values('factory', 'q')).toEqual(['worker', 'queue', 'qa']);
    expect(await values('factory', 'queue', 'q')).toEqual(['queue', 'qa']);
    expect(await values('factory', 'config', 'fi')).toEqual([':files']);
  });

  it('is still our word where there is no factory', async () => {
    const { stdout } = await ask('fish', ['factory', 'w'], { env: { PATH: '/usr/bin:/bin' } });
    expect(stdout).toMatch(/^worker\t[^\n]+\n$/);
    expect((await ask('fish', ['factory', 'q', 'x'], { env: { PATH: '/usr/bin:/bin' } })).stdout).toBe(
      ':files\n',
    );
  });
});

describe('how each shell hears it', () => {
  it('bash: what to put in, by what was typed', async () => {
    expect((await ask('bash', ['factory-worker peek laptop -s ', ''])).stdout).toContain('my\\ session\n');
    expect((await ask('bash', ['factory-worker peek laptop -s "m', 'm'])).stdout).toBe('my session\n');
    expect((await ask('bash', ['factory-worker peek laptop --session=p', 'p'])).stdout).toBe('pay\\ \\$5\n');
    expect((await ask('bash', ['factory-worker list --workers ', ''])).stdout).toBe(':files\n');
  });

  it('zsh and fish: the word and what it is', async () => {
    expect((await ask('zsh', ['factory-worker', 'peek', 'laptop', '-s', ''])).stdout).toMatch(
      /^23-qa-1:active - last output 3\ds ago$/m,
    );
    expect((await ask('fish', ['factory-worker', 'dispatch', 'laptop', '-p', ''])).stdout).toBe(
      'deathcookies\thttps://example.com/acme/deathcookies.git\ndemo\thttps://example.com/acme/demo.git\n',
    );
    expect((await ask('zsh', ['factory-worker', 'list', ''])).stdout).toContain(
      'worker-1:factory-worker-1, one\n',
    );
  });

  it('a name with control characters is left out, one with a colon is escaped for zsh', async () => {
    const odd = `#!/bin/bash\nprintf 'a:b\\nc\\ad\\n:4\\n'\n`;
    const dir = join(place.dir, 'odd');
    mkdirSync(dir);
    writeFileSync(join(dir, 'factory'), odd, { mode: 0o755 });
    const { stdout } = await ask('zsh', ['factory', 'x', ''], { env: { PATH: `${dir}:/usr/bin:/bin` } });
    expect(stdout).toBe('a\\:b:\n');
  });

  it('another shell is a mistake', async () => {
    expect(await ask('tcsh', [''])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('a failure', () => {
  let kubectl: FakeKubectl | undefined;
  afterEach(() => kubectl?.remove());

  async function sessionsOfWorker1(...rules: Rule[]) {
    kubectl = fakeKubectl(rules);
    return ask('fish', ['factory-worker', 'peek', 'worker-1', '--session', ''], {
      env: { KUBECTL: kubectl.path },
    });
  }

  it('is nothing to read: a broken workers.yaml, none, an unknown worker', async () => {
    const file = join(place.dir, 'broken.yaml');
    writeFileSync(file, 'workers: [ {');
    const silence = { code: 0, stdout: '', stderr: '' };
    expect(await ask('zsh', ['factory-worker', 'list', ''], { env: { FACTORY_WORKERS: file } })).toEqual(
      silence,
    );
    expect(await ask('zsh', ['factory-worker', 'list', ''], { env: { HOME: '/nowhere' } })).toEqual(silence);
    expect(await ask('zsh', ['factory-worker', 'peek', 'worker-9', '-s', ''])).toEqual(silence);
  });

  it('is nothing to read: a cluster that refuses, or kubectl that is missing', async () => {
    const refused = await sessionsOfWorker1({
      stderr: 'error: You must be logged in (Unauthorized)',
      code: 1,
    });
    expect(refused).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await values('factory-worker', 'peek', 'worker-1', '--session', '')).toEqual([]);
  });

  it('is what is not there within the limit, which is one for all calls', async () => {
    const pod = {
      metadata: { name: 'factory-worker-1' },
      spec: { containers: [{ name: 'worker' }] },
      status: { phase: 'Running', containerStatuses: [{ name: 'worker', state: { running: {} } }] },
    };
    // The limit's end is the test's to choose: on a busy machine the second call may begin late.
    const limit = new AbortController();
    const limits = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(limit.signal);
    const asked = () => kubectl?.calls().map(({ argv }) => argv.find((word) => /^(get|exec)$/.test(word)));
    const answer = sessionsOfWorker1(
      { match: ['get', 'pods'], stdout: JSON.stringify({ items: [pod] }) },
      { match: ['exec'], hang: true },
    );
    await until('the second call', asked, (calls) => calls?.includes('exec'));
    limit.abort(new DOMException('out of time', 'TimeoutError'));
    expect(await answer).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(asked()).toEqual(['get', 'exec']);
    expect(limits.mock.calls).toEqual([[LIMIT_MS]]);
    limits.mockRestore();
  });
});

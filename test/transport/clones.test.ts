import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const source = (name: string) =>
  readFileSync(new URL(`../../scripts/remote/${name}.sh`, import.meta.url), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'fw-clones-'));
afterAll(() => rmSync(dir, { recursive: true }));

it('tells the origins of the clones without the passwords in them', () => {
  const urls = {
    a: ['https://github.com/acme/a.git', 'https://github.com/acme/a.git'],
    b: ['https://me:FAKE@fake@github.com/acme/b.git', 'https://github.com/acme/b.git'],
    c: ['https://FAKE@github.com/acme/c.git', 'https://github.com/acme/c.git'],
    d: ['ssh://git@github.com/acme/d.git', 'ssh://git@github.com/acme/d.git'],
    e: ['ssh://git:FAKE@example.com:22/e.git', 'ssh://git@example.com:22/e.git'],
    f: ['git@github.com:acme/f.git', 'git@github.com:acme/f.git'],
    g: ['https://github.com/acme/g@2.git', 'https://github.com/acme/g@2.git'],
    h: ['/srv/h.git', '/srv/h.git'],
  };
  for (const [name, [url = '']] of Object.entries(urls)) {
    execFileSync('git', ['init', '--quiet', join(dir, name)]);
    execFileSync('git', ['-C', join(dir, name), 'config', 'remote.origin.url', url]);
  }
  const said = execFileSync(
    'bash',
    ['-c', `${source('frame')}${source('worker')}trap - EXIT; clones`, 'x', 'n'],
    {
      env: { ...process.env, WORKER_REPOS_DIR: dir },
      encoding: 'utf8',
    },
  );
  expect(said).toBe(
    Object.entries(urls)
      .map(([name, [, shown]]) => `${name}\t${shown}\n`)
      .join(''),
  );
});

/** The script that is printed for each shell. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/lib/cli/version.ts';
import { SHELLS } from '../../scripts/lib/completion/answer.ts';
import { programWord, shellInit } from '../../scripts/shell-init.ts';
import { needs } from '../support/needs.ts';
import { run } from '../support/run-command.ts';
import { type Playground, playground } from './playground.ts';

let place: Playground;
beforeAll(() => {
  place = playground();
});
afterAll(() => place.remove());

describe('shell-init', () => {
  it('says for each shell how to install it', async () => {
    const { stdout } = await run(shellInit, ['--help']);
    expect(stdout).toContain('eval "$(factory-worker shell-init bash)"');
    expect(stdout).toContain('eval "$(factory-worker shell-init zsh)"');
    expect(stdout).toContain('factory-worker shell-init fish | source');
  });

  it('repeats it to a person who looks at the script', async () => {
    const shown = await run(shellInit, ['zsh'], { env: place.env, tty: ['stdout'] });
    expect(shown.stderr).toContain(
      'add to ~/.zshrc, below compinit:\n  eval "$(factory-worker shell-init zsh)"',
    );
    expect((await run(shellInit, ['zsh'], { env: place.env })).stderr).toBe('');
  });

  it('knows no other shell', async () => {
    const { code, stdout, stderr } = await run(shellInit, ['fsh'], { env: place.env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('shell-init knows bash, zsh and fish, not "fsh"\n  did you mean fish or zsh?');
  });

  const shellcheck = spawnSync('shellcheck', ['--version']).status === 0;
  it('prints bash that shellcheck has nothing to say about', needs(shellcheck, 'shellcheck'), async () => {
    const { stdout } = await run(shellInit, ['bash'], { env: place.env });
    const said = execFileSync('shellcheck', ['--shell=bash', '-'], { input: stdout, encoding: 'utf8' });
    expect(said).toBe('');
  });

  it.each(SHELLS)('%s: stays tiny', async (shell) => {
    const { stdout } = await run(shellInit, [shell], { env: place.env });
    expect(stdout.split('\n').filter((line) => /^\s*[^#\s]/.test(line)).length).toBeLessThan(30);
  });
});

describe('the program that the shell calls', () => {
  const program = join(packageRoot(), 'dist', 'factory-worker.js');

  it('is its name where that leads here', () => {
    expect(programWord(String(place.env['PATH']))).toBe('factory-worker');
  });

  it('is its path where it is not installed, or another one is', () => {
    const other = join(place.dir, 'other');
    mkdirSync(other);
    symlinkSync('/bin/true', join(other, 'factory-worker'));
    expect(programWord('/usr/bin:/bin')).toBe(program);
    expect(programWord(`${other}:${place.env['PATH']}`)).toBe(program);
  });

  it.each(SHELLS)('%s: is called by its path wherever the script calls it', async (shell) => {
    const { stdout } = await run(shellInit, [shell], { env: { PATH: '/usr/bin:/bin' } });
    expect(stdout.split(`command ${program}`)).toHaveLength(3);
    expect(stdout).not.toMatch(/[^-]command factory-worker/);
  });
});

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  plainScript,
  SCRIPT_LIMIT_BYTES,
  scriptArgv,
  TooLongError,
} from '../../scripts/lib/transport/scripts.ts';

const FOLDER = new URL('../../scripts/remote/', import.meta.url).pathname;
const source = (name: string) => readFileSync(join(FOLDER, `${name}.sh`), 'utf8');
/** Sent as they are. */
const PLAIN = ['again', 'attach', 'detach', 'exec'];
/** Put before others. */
const SHARED = ['frame', 'worker', 'database', 'docker', 'backup-archive'];
const CAPTURED = readdirSync(FOLDER)
  .map((file) => file.replace(/\.sh$/, ''))
  .filter((name) => ![...PLAIN, ...SHARED].includes(name));

const signal = new AbortController().signal;
const call = (script: string, args: readonly string[] = []) => ({ script, args, timeoutMs: 30_000, signal });

/** What bash makes of a script, without comments and blank lines; null where this bash cannot say. */
function pretty(script: string): string | null {
  const { status, stdout } = spawnSync('bash', ['--pretty-print', '/dev/stdin'], {
    input: script,
    encoding: 'utf8',
  });
  return status === 0 ? stdout : null;
}

describe('a captured script', () => {
  it('is run under a time limit in the worker, with the nonce and its data as arguments', () => {
    const argv = scriptArgv({ ...call('peek', ["it's", '50', 'no']), timeoutMs: 1500 }, '=nonce');
    expect(argv.slice(0, 6)).toEqual(['timeout', '-k', '2', '1.5', 'bash', '-c']);
    expect(argv.slice(7)).toEqual(['peek', '=nonce', "it's", '50', 'no']);
    expect(argv[6]).not.toContain("it's");
  });

  it.each(CAPTURED)('%s has the frame before it, is valid bash and far from the limit', (name) => {
    const [, , , , , , text = ''] = scriptArgv(call(name), '=nonce');
    expect(text.indexOf('close_frame()')).toBeGreaterThanOrEqual(0);
    expect(text.indexOf('probe()')).toBeGreaterThan(text.indexOf('close_frame()'));
    expect(spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' }).stderr).toBe('');
    expect(Buffer.byteLength(text)).toBeLessThan(SCRIPT_LIMIT_BYTES / 2);
  });

  it('refuses to send more than an exec request should carry, counting bytes', () => {
    const room = SCRIPT_LIMIT_BYTES - scriptArgv(call('peek'), '=n').join('').length;
    expect(() => scriptArgv(call('peek', ['x'.repeat(room)]), '=n')).not.toThrow();
    expect(() => scriptArgv(call('peek', ['x'.repeat(room + 1)]), '=n')).toThrow(TooLongError);
    expect(() => scriptArgv(call('peek', ['é'.repeat(room / 2 + 1)]), '=n')).toThrow('peek: ');
  });
});

describe('what is sent', () => {
  it.each([...CAPTURED, ...SHARED, ...PLAIN])('of %s is the whole script without its comments', (name) => {
    const sent = plainScript(name, [])[2] ?? '';
    expect(sent).not.toMatch(/^\s*#/m);
    expect(sent).not.toMatch(/^\s*\n/m);
    // A line that begins with # inside a string would be lost with the comments: bash must see the same program.
    const before = pretty(source(name));
    if (before !== null) expect(pretty(sent)).toBe(before);
  });

  it('as a plain script has no frame and no time limit: it owns the terminal', () => {
    const argv = plainScript('exec', ['', 'demo', 'ls', '-h']);
    expect(argv.slice(0, 2)).toEqual(['bash', '-c']);
    expect(argv.slice(3)).toEqual(['exec', '', 'demo', 'ls', '-h']);
    expect(argv[2]).not.toContain('close_frame');
  });
});

/** The hook's script, with a real tmux around it and a factory that only writes down how it was called. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../scripts/lib/cli/version.ts';

const SCRIPT = join(packageRoot(), 'image', 'lib', 'claude-stop-failure.sh');
const HELP = { a: '      --intent string', b: '      --config string   (required)\n      --intent string' };

const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => void end()));

interface Pane {
  readonly session: string;
  readonly dialect?: 'a' | 'b';
  readonly shows?: string;
  readonly factory?: string;
}

/** A pane in which the hook is called. */
function pane({ session, dialect = 'a', shows = '', factory = 'exit 0' }: Pane) {
  const dir = mkdtempSync(join(tmpdir(), 'fw-hook-'));
  const calls = join(dir, 'calls');
  const program = join(dir, 'factory');
  writeFileSync(
    program,
    `#!/bin/bash\nif [ "$1" = queue ]; then cat <<'H'\n${HELP[dialect]}\nH\nexit; fi\necho "$*" >>${calls}\n${factory}\n`,
  );
  chmodSync(program, 0o755);
  const env: NodeJS.ProcessEnv = {
    PATH: `${dir}:${process.env['PATH']}`,
    HOME: dir,
    TMUX_TMPDIR: dir,
    WORKER_STATE_DIR: dir,
  };
  const tmux = (...args: string[]) => execFileSync('tmux', args, { env, encoding: 'utf8' }).trim();
  tmux(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    '-s',
    session,
    '-x',
    '100',
    `cat <<'X'\n${shows}\nX\nsleep 60`,
  );
  ends.push(() => {
    tmux('kill-server');
    rmSync(dir, { recursive: true, force: true });
  });
  const id = tmux('list-panes', '-t', `=${session}:`, '-F', '#{pane_id}');
  const lines = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []);
  return {
    run: (payload: string, extra: NodeJS.ProcessEnv = { TMUX_PANE: id }) =>
      spawnSync(SCRIPT, { env: { ...env, ...extra }, input: payload, encoding: 'utf8' }),
    calls: () => lines(calls),
    failures: () => lines(join(dir, 'claude-failures.jsonl')).map((line) => JSON.parse(line)),
  };
}

const payload = (error: string, text: string) =>
  JSON.stringify({ hook_event_name: 'StopFailure', error, last_assistant_message: text });
const REFUSED = payload('authentication_failed', 'API Error: 401');
const QUIET = { status: 0, stdout: '', stderr: '' };

describe('the hook StopFailure', () => {
  it.each([
    ['23-implement-1', 23, 'implement'],
    ['7-qa-review-2', 7, 'qa-review'],
    ['23-qa-1-fix-2', 23, 'qa'],
  ])('in %s writes down why and reports the session as over', (session, issue, stage) => {
    const it_ = pane({ session });
    expect(it_.run(REFUSED)).toMatchObject(QUIET);
    expect(it_.calls()).toEqual([
      `event log --session ${session} --issue ${issue} --stage ${stage} --event exited`,
    ]);
    expect(it_.failures()).toEqual([
      {
        schema: 1,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        session,
        issue,
        stage,
        error: 'authentication_failed',
        text: 'API Error: 401',
      },
    ]);
  });

  it('masks tokens, makes one line of many, and cuts', () => {
    const it_ = pane({ session: '23-qa-1' });
    it_.run(payload('unknown', `token sk-ant-oat01-abcdefghijklmnop\n\n  ghp_0123456789 ${'x'.repeat(900)}`));
    const [{ text }] = it_.failures();
    expect(text).toMatch(/^token sk-ant-\[redacted\] ghp_\[redacted\] x+$/);
    expect(text).toHaveLength(500);
  });

  it('leaves sessions alone that are no stage’s, and calls without a pane', () => {
    const it_ = pane({ session: 'my-own-work' });
    expect(it_.run(REFUSED)).toMatchObject(QUIET);
    expect(it_.run(REFUSED, {})).toMatchObject(QUIET);
    expect([it_.calls(), it_.failures()]).toEqual([[], []]);
  });

  it.each(['', 'no JSON', '[]', '{"error":7}'])('reports the session also when claude says %j', (said) => {
    const it_ = pane({ session: '23-qa-1' });
    expect(it_.run(said)).toMatchObject(QUIET);
    expect(it_.calls()).toHaveLength(1);
  });

  it('tries again while the database is locked, and never fails', () => {
    const it_ = pane({ session: '23-qa-1', factory: `[ "$(wc -l <"$WORKER_STATE_DIR/calls")" -ge 3 ]` });
    expect(it_.run(REFUSED)).toMatchObject(QUIET);
    expect(it_.calls()).toHaveLength(3);
  });

  const LIMIT = payload('rate_limit', "You've hit your 5-hour limit");
  it.each([
    ['a', "You've hit your limit", 1],
    ['b', "You've hit your limit", 0],
    ['b', '/rate-limit-options', 0],
    // B would take it for success.
    ['b', "You've hit your org's monthly spend limit", 1],
  ] as const)('of a limit, in dialect %s, with %j on the pane: %i report', (dialect, shows, reports) => {
    const it_ = pane({ session: '23-qa-1', dialect, shows });
    expect(it_.run(LIMIT)).toMatchObject(QUIET);
    expect(it_.calls()).toHaveLength(reports);
    expect(it_.failures()).toMatchObject([{ error: 'rate_limit' }]);
  });
});

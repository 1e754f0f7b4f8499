// Section 5 and 6: sessions and events.
import { bash, type Case, event, factory, factoryEnv, factoryIn } from '../case.ts';

/** An event of a session, of issue 43 whatever its name says. */
const logged = (session: string, state: string) => factory(event(session, 43, 'build', state));

export const SESSION_CASES: readonly Case[] = [
  {
    name: 'no sessions, in any directory',
    section: '5',
    steps: [factoryIn(() => '/', ['session', 'list'], { stdout: 'No active sessions.\n', stderr: '' })],
  },
  {
    name: 'the table: alive in both, no-tmux, no-db; --issue',
    section: '5',
    steps: [
      logged('43-build-1', 'started'),
      logged('43-build-1', 'idle'),
      logged('44-build-1', 'active'),
      logged('45-build-1', 'exited'),
      bash(
        'tmux new-session -d -s 43-build-1; tmux new-session -d -s 81-build-1; tmux new-session -d -s orchestrator',
      ),
      factory(['session', 'list'], {
        stdout:
          /^NAME {17}ISSUE {4}STAGE {8}STATE {6}ELAPSED {6}ORPHAN\n-{20} -{8} -{12} -{10} -{12} -{6}\n(.*\n){4}$/,
      }),
      factory(['session', 'list'], { stdout: /^43-build-1 {11}43 {7}build {8}idle {7}(\d+s)? +$/m }),
      factory(['session', 'list'], { stdout: /^44-build-1 {11}43 {7}build {8}active {5}(\d+s)? +no-tmux$/m }),
      factory(['session', 'list'], { stdout: /^81-build-1 +no-db$/m, absent: /45-build-1/ }),
      factory(['session', 'list'], { stdout: /^orchestrator +no-db$/m }),
      factory(['session', 'list', '--issue', '99'], { absent: /43-build-1 +43|44-build-1/ }),
    ],
  },
  {
    name: 'a live session shows as no-db after factory_send and after steer',
    section: '5',
    steps: [
      bash('tmux new-session -d -s 43-build-1'),
      logged('43-build-1', 'started'),
      logged('43-build-1', 'factory_send'),
      factory(['session', 'list'], { stdout: /^43-build-1 +no-db$/m }),
      logged('43-build-1', 'active'),
      factory(['session', 'list'], { stdout: /^43-build-1 +43 +build +active /m }),
      factory(['session', 'steer', '43-build-1', 'hurry']),
      factory(['session', 'list'], { stdout: /^43-build-1 +no-db$/m }),
    ],
  },
  {
    name: 'status',
    section: '5',
    steps: [
      factory(['session', 'status', 'nope'], { error: 'session "nope" not found in database', stdout: '' }),
      logged('43-build-1', 'idle'),
      factory(['session', 'status', '43-build-1'], {
        stdout:
          /^Session: +43-build-1\nState: +idle\nIssue: +43\nStage: +build\nSince: +.* ago\)\nTmux: +dead\n$/,
      }),
      bash('tmux new-session -d -s 43-build-1'),
      factory(['session', 'status', '43-build-1'], { stdout: /^Tmux: +alive$/m }),
      factory(['session', 'status', '43-build-1', '--detect-human'], { stdout: /^Human: +(true|false)$/m }),
    ],
  },
  {
    name: 'peek shows the whole screen and N lines of scrollback; 0 and -5 work too',
    section: '5',
    steps: [
      factory(['session', 'peek', 'x'], { error: 'session "x" does not exist', stdout: '' }),
      bash(`tmux new-session -d -s 5-build-1 'seq 1 100; sleep 60'
            until tmux capture-pane -p -t 5-build-1 | grep -qx 100; do sleep 0.05; done`),
      factory(['session', 'peek', '5-build-1', '--lines', '10'], {
        stdout: /^68\n(.*\n)*100\n\n?$/,
        absent: /^67$/m,
      }),
      factory(['session', 'peek', '5-build-1', '--lines', '0'], {
        stdout: /^78\n(.*\n)*100\n\n?$/,
        absent: /^77$/m,
      }),
      factory(['session', 'peek', '5-build-1', '--lines', '-5'], { stdout: /^100$/m }),
    ],
  },
  {
    name: 'names match by prefix: peek shows and kill kills another session',
    section: '5',
    steps: [
      bash(
        `tmux new-session -d -s 5-build-1-fix-3 "echo precious; sleep 60"; tmux new-session -d -s keep
         until tmux capture-pane -p -t 5-build-1-fix-3 | grep -q precious; do sleep 0.05; done`,
      ),
      factory(['session', 'peek', '5-b'], { stdout: /precious/ }),
      factory(['session', 'kill', '5-b']),
      bash('tmux list-sessions -F "#{session_name}"', { stdout: 'keep\n' }),
      factory(['session', 'kill', '5-b'], { error: 'session "5-b" does not exist' }),
    ],
  },
  {
    name: 'another TMUX_TMPDIR: everything is no-tmux and peek fails',
    section: '5',
    steps: [
      bash('tmux new-session -d -s 43-build-1; mkdir "$BOX/elsewhere"'),
      logged('43-build-1', 'active'),
      factoryEnv((box) => ({ TMUX_TMPDIR: `${box.dir}/elsewhere` }), ['session', 'list'], {
        stdout: /43-build-1 .*no-tmux/,
      }),
      factoryEnv((box) => ({ TMUX_TMPDIR: `${box.dir}/elsewhere` }), ['session', 'peek', '43-build-1'], {
        error: 'session "43-build-1" does not exist',
      }),
    ],
  },
  {
    name: 'send types into the session',
    section: '5',
    steps: [
      factory(['session', 'send', 'x', 'text'], { error: 'session "x" does not exist' }),
      bash('tmux new-session -d -s 5-build-1 cat'),
      factory(['session', 'send', '5-build-1', 'hello there']),
      // Once as it is typed, and once as cat gives it back after the Enter.
      bash(
        'until [ "$(tmux capture-pane -p -t 5-build-1 | grep -cx "hello there")" = 2 ]; do sleep 0.1; done',
      ),
    ],
  },
  {
    name: 'an event the table does not allow, and a missing flag',
    section: '6',
    steps: [
      factory(event('s', 1, 's', 'rate_limited'), {
        error: /CHECK constraint failed|violates check constraint/,
      }),
      factory(['event', 'log', '--session', 's', '--issue', '1', '--stage', 's'], {
        error: 'required flag(s) "event" not set',
      }),
    ],
  },
];

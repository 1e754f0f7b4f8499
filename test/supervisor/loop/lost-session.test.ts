import { expect, it } from 'vitest';
import { lostSession } from '../../../image/supervisor/loop/lost-session.ts';
import { pipeline } from './factory-samples.ts';

const session = (name: string) => ({ name, createdAt: 0, windowActivity: 0, attached: 0 });

it.each(['started', 'active', 'factory_send', 'steer', 'human_input'])(
  'a session that is %s and gone is waited for in vain',
  (sessionState) => {
    const lost = pipeline(42, { sessionState });
    expect(lostSession([pipeline(41, { status: 'completed' }), lost], [session('boot')])).toBe(lost);
    expect(lostSession([lost], [session('42-build-1-fix-3')])).toBe(lost);
  },
);

it.each<[string, Parameters<typeof lostSession>]>([
  ['it is there', [[pipeline(42)], [session('42-build-1')]]],
  [
    'it is there under the name that tmux made of it',
    [[pipeline(42, { session: '42-v1.2-1' })], [session('42-v1_2-1')]],
  ],
  ['the stage has none', [[pipeline(42, { session: '' })], []]],
  ['its agent has done its part', [[pipeline(42, { sessionState: 'idle' })], []]],
  ['the program has ended it', [[pipeline(42, { sessionState: 'exited' })], []]],
  ['the stage is over', [[pipeline(42, { status: 'pending' })], []]],
  ['another issue is in progress as well', [[pipeline(41), pipeline(42)], []]],
  ['nothing is in progress', [[], []]],
])('no session is missed when %s', (_case, given) => {
  expect(lostSession(...given)).toBeNull();
});

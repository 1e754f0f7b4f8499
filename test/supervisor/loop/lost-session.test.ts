import { expect, it } from 'vitest';
import type { TmuxSession } from '../../../image/supervisor/effects/effects.ts';
import { lostSession } from '../../../image/supervisor/loop/lost-session.ts';
import { pipeline } from './factory-samples.ts';

const session = (name: string, overrides: Partial<TmuxSession> = {}): TmuxSession => ({
  name,
  createdAt: 0,
  windowActivity: 0,
  attached: 0,
  bareShell: false,
  ...overrides,
});
const BARE = { bareShell: true };

it.each(['started', 'active', 'factory_send', 'steer', 'human_input'])(
  'a session that is %s and gone is waited for in vain',
  (sessionState) => {
    const lost = pipeline(42, { sessionState });
    expect(lostSession([pipeline(41, { status: 'completed' }), lost], [session('boot')])).toBe(lost);
    expect(lostSession([lost], [session('42-build-1-fix-3')])).toBe(lost);
  },
);

it.each(['active', 'factory_send', 'steer'])(
  'so is one that is %s and whose agent has ended',
  (sessionState) => {
    const lost = pipeline(42, { sessionState });
    expect(lostSession([lost], [session('42-build-1', BARE)])).toBe(lost);
  },
);

it.each<[string, Parameters<typeof lostSession>]>([
  ['it is there', [[pipeline(42)], [session('42-build-1')]]],
  [
    'it is there under the name that tmux made of it',
    [[pipeline(42, { session: '42-v1.2-1' })], [session('42-v1_2-1')]],
  ],
  ['its agent is being started', [[pipeline(42)], [session('42-build-1', BARE)]]],
  [
    'its agent has ended while somebody is there',
    [[pipeline(42, { sessionState: 'active' })], [session('42-build-1', { ...BARE, attached: 1 })]],
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

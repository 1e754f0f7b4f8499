import { describe, expect, it } from 'vitest';
import { itemName, openItems } from '../../scripts/lib/worker/queue.ts';
import { parseSnapshot } from '../../scripts/lib/worker/snapshot.ts';
import { boot, CLOCK, frame, heartbeat, pipelinesJson, queueJson, RUNNING, snapshot } from './samples.ts';

describe('the answer of a probe', () => {
  it('becomes what is known of the worker', () => {
    const seen = snapshot({
      queue: queueJson([23, 'active'], [24, 'pending']),
      pipelines: pipelinesJson({ issue: 23, stage: 'qa' }),
      dispatches: '{"issue":23,"project":"demo","at":"","by":"me@here"}',
      repairs:
        '{"at":"","issue":23,"stage":"qa","attempt":1,"session":"23-qa-1","action":"advance","cure":""}',
      drain: '{"schema":1,"by":"me","host":"here","since":"2026-03-02T11:00:00Z","reason":"","release":null}',
      dialect: 'key=1\npostgres=0\nAdd issues\n\nFlags:\n      --config string   x (required)\n',
      disk: 'Filesystem     1-blocks        Used   Available Capacity Mounted on\n/dev/sda1 1000 250 750 25% /root/my disk\n',
    });
    expect(seen).toMatchObject({
      now: CLOCK + 0.5,
      sessions: [{ name: 'orchestrator' }],
      queue: [
        { issue: 23, owner: 'demo', pipeline: { stage: 'qa' } },
        { issue: 24, owner: 'demo', pipeline: null },
      ],
      clones: [{ project: 'demo', url: 'https://github.com/acme/demo.git' }],
      boot,
      heartbeat,
      drain: { by: 'me' },
      repairs: [{ action: 'advance' }],
      locks: { boot: true, checkIn: false },
      dialect: { name: 'B', postgres: false },
      disk: { sizeBytes: 1000, freeBytes: 750, mount: '/root/my disk' },
      faults: [],
    });
  });

  it('leaves out the password in the URL of a clone', () => {
    const clones = 'a\thttps://bot:secret@git.example.com/acme/a.git\nb\tgit@github.com:acme/b.git';
    expect(snapshot({ clones }).clones.map(({ url }) => url)).toEqual([
      'https://git.example.com/acme/a.git',
      'git@github.com:acme/b.git',
    ]);
  });

  it('of a worker that has just begun is mostly empty', () => {
    expect(
      parseSnapshot(frame({ clock: '1.5', 'repos-dir': '/r', locks: 'boot=held\ncheck-in=free' })),
    ).toEqual({
      now: 1.5,
      sessions: [],
      queue: [],
      pipelines: [],
      clones: [],
      boot: null,
      heartbeat: null,
      drain: null,
      repairs: [],
      locks: { boot: true, checkIn: false },
      dialect: null,
      disk: null,
      faults: [],
    });
  });

  it.each<[string, Parameters<typeof snapshot>[0], string, RegExp]>([
    [
      'factory refuses',
      {
        queue: { rc: 1, text: '' },
        'queue.error': { rc: 1, text: 'Error: open database: disk full\nUsage:\n  x\n' },
      },
      'queue',
      /^open database: disk full$/,
    ],
    ['factory hangs', { queue: { rc: 124, text: '' } }, 'queue', /^took too long$/],
    [
      'factory is missing',
      {
        queue: { rc: 127, text: '' },
        'queue.error': { rc: 127, text: "timeout: failed to run command 'factory'" },
      },
      'queue',
      /^factory is not on the PATH/,
    ],
    [
      'tmux is missing',
      {
        sessions: { rc: 127, text: '' },
        'sessions.error': { rc: 127, text: 'bash: tmux: command not found' },
      },
      'sessions',
      /tmux: command not found/,
    ],
    [
      'tmux has no server',
      {
        sessions: { rc: 1, text: '' },
        'sessions.error': { rc: 1, text: 'no server running on /tmp/tmux-0/default' },
      },
      'sessions',
      /^no server running/,
    ],
    ['a failure without a word', { pipelines: { rc: 3, text: '' } }, 'pipelines', /^ended with 3$/],
    ['factory prints a table', { queue: 'POS ISSUE STATUS' }, 'queue', /^the queue is not JSON/],
    ['a boot.json of a newer image', { boot: '{"schema":2}' }, 'boot', /update this checkout$/],
    ['a heartbeat of an older image', { heartbeat: '{"schema":0}' }, 'heartbeat', /release a new image$/],
    [
      'a boot.json with a number for its phases',
      { boot: '{"schema":1,"phases":5}' },
      'boot',
      /^boot\.json is not as expected: /,
    ],
    ['a clock that is none', { clock: 'noon' }, 'clock', /cannot be read$/],
    ['a table that is not of tmux', { sessions: 'a\tb\tc' }, 'sessions', /^tmux printed an unexpected table/],
    ['a record without a project', { dispatches: '{"issue":1}' }, 'dispatches-rest', /^1 of 1 lines/],
    ['a heartbeat cut by a full disk', { heartbeat: '{"sch' }, 'heartbeat', /is not JSON/],
  ])('that holds a fault — %s — keeps the rest', (_, parts, part, message) => {
    const seen = snapshot(parts);
    expect(seen.faults).toEqual([{ part, message: expect.stringMatching(message) }]);
    expect(seen.clones).toHaveLength(1);
  });

  it.each(['', 'x', '{"schema":9}', '{}'])('with a drain file of %j is drained all the same', (drain) => {
    const seen = snapshot({ drain });
    expect(seen.drain).toMatchObject({ by: 'unknown' });
    expect(seen.faults).toMatchObject([{ part: 'drain' }]);
  });

  it('of 10,000 rows is read in a moment', () => {
    const rows = Array.from(
      { length: 10_000 },
      (_, n) => [n + 1, n < 9_990 ? 'completed' : 'pending'] as const,
    );
    const dispatches = rows.map(([issue]) => `{"issue":${issue},"project":"demo"}\n`).join('');
    const { user } = process.cpuUsage();
    const seen = snapshot({ queue: queueJson(...rows), dispatches, clones: 'a\tx\nb\ty' });
    expect(seen.queue.at(-1)?.owner).toBe('demo');
    expect(openItems(seen)).toHaveLength(10);
    expect((process.cpuUsage().user - user) / 1000).toBeLessThan(1_000);
  });
});

describe('the open rows', () => {
  it('are the one in progress, then those that wait, in the order of the queue', () => {
    const text = JSON.stringify([
      { Issue: 1, Status: 'pending', Position: 9 },
      { Issue: 2, Status: 'completed', Position: 1 },
      { Issue: 3, Status: 'pending', Position: 4 },
      { Issue: 4, Status: 'active', Position: 5 },
      { Issue: 5, Status: 'failed', Position: 2 },
    ]);
    expect(openItems(snapshot({ queue: text })).map(itemName)).toEqual(['demo#4', 'demo#3', 'demo#1']);
  });

  it.each(['failed', 'completed'] as const)(
    'leave out one whose pipeline was %s by hand: its row stays active for ever',
    (status) => {
      const seen = snapshot({
        queue: queueJson([1, 'active'], [2, 'pending']),
        pipelines: pipelinesJson({ issue: 1, status }),
      });
      expect(openItems(seen).map(itemName)).toEqual(['demo#2']);
    },
  );

  it('name no project where it is not known', () => {
    const seen = snapshot({ queue: queueJson([23, 'pending']), clones: 'a\tx\nb\ty' });
    expect(openItems(seen).map(itemName)).toEqual(['?#23']);
  });

  it('are not put into another order in the snapshot itself', () => {
    const seen = snapshot({ queue: queueJson([2, 'pending'], [1, 'active']) });
    openItems(seen);
    expect(seen.queue.map(({ issue }) => issue)).toEqual([2, 1]);
  });
});

it('the sample is a running worker without faults', () => {
  expect(snapshot(RUNNING).faults).toEqual([]);
});

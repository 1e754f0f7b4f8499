import { describe, expect, it } from 'vitest';
import {
  type Event,
  KEYS,
  type Model,
  reduce,
  rings,
  selection,
  start,
  visible,
} from '../../scripts/lib/ui/model.ts';
import type { Group, Row } from '../../scripts/lib/ui/row.ts';
import { row } from './samples.ts';

/** Three workers, each in another group. */
const ROWS = [
  row('a'),
  row('b', 'AT WORK', { issue: 'demo#23', number: 23, stage: 'qa', sessions: ['23-qa-1', 'orchestrator'] }),
  row('c', 'NEEDS YOU', { cause: 'unreachable', sessions: [] }),
];

const seen = (rows: readonly Row[] = ROWS): Event[] => rows.map((one) => ({ type: 'row', row: one }));

function modelAfter(...events: readonly Event[]): Model {
  return events.reduce((model, event) => reduce(model, event).model, start(['a', 'b', 'c']));
}

const keys = (...pressed: readonly string[]): Event[] => pressed.map((key) => ({ type: 'key', key }));

/** What the last key asks for. */
const asked = (...pressed: readonly string[]) =>
  reduce(modelAfter(...seen(), ...keys(...pressed.slice(0, -1))), { type: 'key', key: pressed.at(-1) ?? '' })
    .request;

describe('the rows', () => {
  it('are in groups, what needs the operator first; nothing is known of one that has not answered', () => {
    expect(
      visible(modelAfter(...seen())).map(({ group, rows }) => [group, ...rows.map(({ worker }) => worker)]),
    ).toEqual([
      ['NEEDS YOU', 'c'],
      ['AT WORK', 'b'],
      ['IDLE', 'a'],
    ]);
    expect(visible(modelAfter(...seen(ROWS.slice(1))))[2]?.rows[0]).toMatchObject({
      worker: 'a',
      cause: 'asking…',
    });
  });
});

describe('the selection', () => {
  it.each<[what: string, pressed: readonly string[], worker: string, session: string | null]>([
    ['is at the top until a key is pressed', [], 'c', null],
    ['goes down', ['down'], 'b', '23-qa-1'],
    ['goes down with j and up with k', ['j', 'j', 'k'], 'b', '23-qa-1'],
    ['stays within the list', ['up', 'down', 'down', 'down', 'down'], 'a', 'orchestrator'],
    ['goes to the end and back', ['end', 'home'], 'c', null],
    ['goes through the sessions', ['down', 'right'], 'b', 'orchestrator'],
    ['comes to the first session after the last one', ['down', 'tab', 'tab'], 'b', '23-qa-1'],
    ['goes back among them', ['down', 'left'], 'b', 'orchestrator'],
    ['begins with the first session of another worker', ['down', 'right', 'up', 'down'], 'b', '23-qa-1'],
    ['is at the first that matches a filter', ['/', 'q', 'a'], 'b', '23-qa-1'],
    ['moves while a filter is typed', ['/', 'a', 'down'], 'b', '23-qa-1'],
    ['stays where it was after a filter', ['/', 'q', 'return', 'escape'], 'b', '23-qa-1'],
  ])('%s', (_, pressed, worker, session) => {
    const chosen = selection(modelAfter(...seen(), ...keys(...pressed)));
    expect([chosen?.row.worker, chosen?.session]).toEqual([worker, session]);
  });

  it('follows what is most pressing until a key is pressed, and its worker from then on', () => {
    const worse = row('a', 'NEEDS YOU');
    expect(selection(modelAfter(...seen(), ...seen([worse])))?.row).toBe(worse);
    expect(selection(modelAfter(...seen(), ...keys('x'), ...seen([worse])))?.row.worker).toBe('c');
  });

  it('gives up a session that has ended', () => {
    const ended = row('b', 'AT WORK', { sessions: ['23-qa-1'] });
    expect(selection(modelAfter(...seen(), ...keys('down', 'right'), ...seen([ended])))?.session).toBe(
      '23-qa-1',
    );
  });
});

describe('the bell', () => {
  it.each<[what: string, groups: readonly Group[], rung: readonly boolean[]]>([
    ['rings when a worker comes into NEEDS YOU', ['AT WORK', 'NEEDS YOU'], [false, true]],
    ['from IDLE, too', ['IDLE', 'NEEDS YOU'], [false, true]],
    ['not again at the next round', ['IDLE', 'NEEDS YOU', 'NEEDS YOU'], [false, true, false]],
    [
      'again after it was well in between',
      ['IDLE', 'NEEDS YOU', 'IDLE', 'NEEDS YOU'],
      [false, true, false, true],
    ],
    ['not for one that was there from the beginning', ['NEEDS YOU', 'NEEDS YOU'], [false, false]],
    ['not for what is well', ['IDLE', 'AT WORK', 'IDLE'], [false, false, false]],
  ])('%s', (_, groups, rung) => {
    let model = start(['a', 'b']);
    const heard = groups.map((group) => {
      const event: Event = { type: 'row', row: row('a', group) };
      const rang = rings(model, event);
      model = reduce(model, event).model;
      return rang;
    });
    expect(heard).toEqual(rung);
  });

  it('rings for each worker, also while another one needs the operator, and for nothing but an observation', () => {
    const model = modelAfter(...seen());
    expect(rings(model, { type: 'row', row: row('a', 'NEEDS YOU') })).toBe(true);
    expect(rings(model, { type: 'note', note: 'NEEDS YOU' })).toBe(false);
    expect(rings(model, { type: 'key', key: 'd' })).toBe(false);
  });
});

describe('a filter', () => {
  it.each<[pressed: readonly string[], filter: string, workers: readonly string[]]>([
    [['/', 'U', 'n', 'r'], 'Unr', ['c']],
    [['/', '2', '3', 'x', 'backspace'], '23', ['b']],
    [['/', 'x', 'y', 'z'], 'xyz', []],
    [['/', 'q', 'escape'], '', ['c', 'b', 'a']],
    [['/', 'q', 'return', 'escape'], '', ['c', 'b', 'a']],
    [['/', 'f1', 'delete', 'q'], 'q', ['b']],
  ])('%j is %j', (pressed, filter, workers) => {
    const model = modelAfter(...seen(), ...keys(...pressed));
    expect([model.filter, visible(model).flatMap(({ rows }) => rows.map(({ worker }) => worker))]).toEqual([
      filter,
      workers,
    ]);
  });

  it('that matches nothing selects nothing, and no key does anything', () => {
    const model = modelAfter(...seen(), ...keys('/', 'x', 'y', 'return', 'return', 'u'));
    expect(selection(model)).toBeNull();
  });
});

describe('a key', () => {
  const command = (name: string, args: readonly string[], more: object = {}) => ({
    kind: 'command',
    name,
    args,
    ...more,
  });

  it.each<[pressed: readonly string[], request: object | null]>([
    [['q'], { kind: 'quit' }],
    [['ctrl-c'], { kind: 'quit' }],
    [['/', 'ctrl-c'], { kind: 'quit' }],
    [['?', 'q'], null],
    [['/', 'q'], null],
    [['x'], null],
    [['down', 'return'], command('attach', ['b', '--session', '23-qa-1'], { onScreen: true })],
    [['down', 'right', 'return'], command('attach', ['b', '--session', 'orchestrator'], { onScreen: true })],
    [['down', 'r'], command('attach', ['b', '--session', '23-qa-1', '--read-only'], { onScreen: true })],
    [['down', 'p'], command('peek', ['b', '--session', '23-qa-1', '--follow'], { onScreen: true })],
    [['down', 'l'], command('logs', ['b', '23-qa-1'])],
    [['l'], command('logs', ['c'])],
    [['w'], command('why', ['c'])],
    [['down', 'u'], command('unstick', ['b', '23'])],
    [['d'], command('dispatch', ['c'])],
    [['down', 's'], command('send', ['b', '23-qa-1'], { before: 'text' })],
    [['D'], command('drain', ['c'], { before: 'confirmation' })],
  ])('%j', (pressed, request) => {
    expect(asked(...pressed)).toEqual(request);
  });

  it('resumes a drained worker', () => {
    const model = modelAfter(...seen([row('c', 'IDLE', { drained: true })]), ...keys('end'));
    expect(reduce(model, { type: 'key', key: 'D' }).request).toMatchObject({ name: 'resume', args: ['c'] });
  });

  it.each([
    ['return', 'c has no session to attach to'],
    ['r', 'c has no session to look into'],
    ['p', 'c has no session to show'],
    ['s', 'c has no session to type into'],
    ['u', 'c has no issue to unstick'],
  ])('%s says what is missing, until the next key', (key, note) => {
    const model = modelAfter(...seen(), ...keys(key));
    expect([model.note, modelAfter(...seen(), ...keys(key, 'x')).note]).toEqual([note, '']);
  });

  it('of the help is one that does something', () => {
    const named = KEYS.flatMap(([key]) => key.split(', ')).filter((key) => key.length === 1);
    expect(named.sort()).toEqual(['/', 'D', 'd', 'l', 'p', 'q', 'r', 's', 'u', 'w'].sort());
  });
});
